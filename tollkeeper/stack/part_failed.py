"""A part that did not come up, with the last lines it wrote."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

# Enough for a PostgreSQL or Envoy complaint with its context, and still one look.
_LINES_MAX = 15
_TAIL_BYTES = 16_384


class PartFailed(OperatorError):  # noqa: N818 - it names what happened, as a part's refusals do
    """`NAME HOW; the end of LOG:` and the lines."""

    def __init__(self, name: str, how: str, log: Path, since: int = 0) -> None:
        lines = "".join(f"\n  {line}" for line in last_lines(log, since))
        written = f"; the end of {log}:{lines}" if lines else f"; it wrote nothing to {log}"
        super().__init__(f"{name} {how}{written}")


def last_lines(log: Path, since: int = 0) -> list[str]:
    """The last lines written after byte `since`."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(since, end - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-_LINES_MAX:]


def describe_exit(status: int) -> str:
    """For an exit status as asyncio gives it: negative means a signal."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
