"""Progress as events, for the process that started us in the background."""

from __future__ import annotations

import os

import orjson

from tollkeeper.stack.progress import GONE_READER


class PipeProgress:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def begin(self, title: str) -> None:
        self.send("begin", title=title)

    def done(self, title: str, detail: str, milliseconds: int) -> None:
        self.send("done", title=title, detail=detail, milliseconds=milliseconds)

    def failed(self, title: str) -> None:
        self.send("failed", title=title)

    def dropped(self, title: str) -> None:
        self.send("dropped", title=title)

    def note(self, line: str) -> None:
        self.send("note", line=line)

    def send(self, event: str, **fields: object) -> None:
        # A pipe's write is atomic up to 4 KiB, and nobody else writes.
        with GONE_READER:
            os.write(self._descriptor, orjson.dumps({"event": event, **fields}) + b"\n")
