"""A spinner per step under way, above it a line per step that is over."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import Progress as Spinners
from rich.progress import SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from tollkeeper.stack.progress import GONE_READER, columns


class TerminalProgress:
    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._tasks: dict[str, TaskID] = {}
        self._spinners = self._fresh()

    def begin(self, title: str) -> None:
        with GONE_READER:
            if not self._tasks:
                # One that was stopped does not spin again.
                self._spinners = self._fresh()
                self._spinners.start()
        self._tasks[title] = self._spinners.add_task(title)

    def done(self, title: str, detail: str, milliseconds: int) -> None:
        self._end(title, "✓", "green", columns(title, detail, milliseconds))

    def failed(self, title: str) -> None:
        self._end(title, "✗", "red", title)

    def dropped(self, title: str) -> None:
        self._end(title)

    def note(self, line: str) -> None:
        with GONE_READER:
            self._console.print(Text(line, style="yellow"), soft_wrap=True)

    def _end(self, title: str, mark: str = "", style: str = "", line: str = "") -> None:
        with GONE_READER:
            self._spinners.remove_task(self._tasks.pop(title))
            if mark:
                self._console.print(Text.assemble((mark, style), f" {line}"), soft_wrap=True)
            if not self._tasks:
                self._spinners.stop()

    def _fresh(self) -> Spinners:
        return Spinners(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
        )
