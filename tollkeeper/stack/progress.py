"""What a person sees while the stack starts and stops, step by step."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_TITLE_WIDTH = 16
_DETAIL_WIDTH = 22
# The terminal may be closed, the pipe broken, the disk full: the stack still has to be ended.
GONE_READER = suppress(OSError)


class Progress(Protocol):
    """Titles are unique among the steps under way; several steps may be."""

    def begin(self, title: str) -> None: ...

    def done(self, title: str, detail: str, milliseconds: int) -> None: ...

    def failed(self, title: str) -> None: ...

    def dropped(self, title: str) -> None: ...

    def note(self, line: str) -> None: ...


@contextmanager
def step(progress: Progress, title: str, detail: str = "") -> Iterator[None]:
    """The block is one step, shown from beginning to end."""
    progress.begin(title)
    started = time.monotonic()
    try:
        yield
    except asyncio.CancelledError:
        progress.dropped(title)
        raise
    except BaseException:
        progress.failed(title)
        raise
    progress.done(title, detail, int(1000 * (time.monotonic() - started)))


def columns(title: str, detail: str, milliseconds: int) -> str:
    return f"{title:<{_TITLE_WIDTH}} {detail:<{_DETAIL_WIDTH}} {milliseconds:>6} ms"
