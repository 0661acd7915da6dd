"""A line per step, for logs and pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from tollkeeper.stack.progress import GONE_READER, columns

if TYPE_CHECKING:
    from tollkeeper.runtime.clock import Clock


class PlainProgress:
    def __init__(self, stream: TextIO, clock: Clock | None = None) -> None:
        self._stream = stream
        self._clock = clock

    def begin(self, title: str) -> None:
        """Nothing: the line comes when the step is over."""

    def done(self, title: str, detail: str, milliseconds: int) -> None:
        self._print(f"✓ {columns(title, detail, milliseconds)}")

    def failed(self, title: str) -> None:
        self._print(f"✗ {title}")

    def dropped(self, title: str) -> None:
        """Nothing: another step failed, and that is the news."""

    def note(self, line: str) -> None:
        self._print(line)

    def _print(self, line: str) -> None:
        stamp = f"{self._clock():%Y-%m-%dT%H:%M:%SZ} " if self._clock else ""
        with GONE_READER:
            print(f"{stamp}{line}", file=self._stream, flush=True)
