"""Progress for two at once: somebody looks on, and the log is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollkeeper.stack.progress import Progress


class BothProgress:
    def __init__(self, one: Progress, other: Progress) -> None:
        self._all = (one, other)

    def begin(self, title: str) -> None:
        for progress in self._all:
            progress.begin(title)

    def done(self, title: str, detail: str, milliseconds: int) -> None:
        for progress in self._all:
            progress.done(title, detail, milliseconds)

    def failed(self, title: str) -> None:
        for progress in self._all:
            progress.failed(title)

    def dropped(self, title: str) -> None:
        for progress in self._all:
            progress.dropped(title)

    def note(self, line: str) -> None:
        for progress in self._all:
            progress.note(line)
