"""A connection without a network, so that all ways to cut its bytes can be tried, and its clock
turned. What a network does besides is tried over sockets.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from ext_authz.wire.connection import Connection
from tests.integration.wire.echo import Echo
from tests.integration.wire.peer import Answer, Reader, greeting, serialized

if TYPE_CHECKING:
    from hyperframe.frame import Frame

    from ext_authz.wire.connection import Methods


class Transport:
    """As much of asyncio's transport as a connection uses."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closing = False
        self.aborted = False
        self.ended = False
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        del name

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        if not self.closing:
            self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class InMemory:
    """Make it within a running loop; call `turn` to let the loop turn."""

    def __init__(
        self, methods: Methods | None = None, settings: dict[int, int] | None = None
    ) -> None:
        self.transport = Transport()
        self.connections: set[Connection] = set()
        self.connection = Connection(methods or Echo().methods, self.connections)
        self.connection.connection_made(cast("asyncio.Transport", self.transport))
        self._reader = Reader()
        self.frames: list[Frame] = []
        self._unread = greeting(settings)

    async def send(self, *frames: Frame | bytes, cut: int = 0) -> None:
        """As one piece, or in pieces of `cut` bytes; the greeting goes first."""
        data, self._unread = self._unread + serialized(frames), b""
        size = cut or len(data) or 1
        for start in range(0, len(data), size):
            await self.send_raw(data[start : start + size])

    async def send_raw(self, data: bytes) -> None:
        if not self.transport.closing:
            self.connection.data_received(data)
        await self.turn()
        # Until all that was sent is understood, and answered.
        while not self.transport.reading and not self.transport.closing:
            await self.turn()
        await self.turn()

    async def turn(self) -> None:
        # What is put off runs in the next turn, what it writes leaves in the one after.
        for _ in range(3):
            await asyncio.sleep(0)
        data = bytes(self.transport.written)
        self.transport.written.clear()
        self.frames += self._reader.frames(data)

    def answer(self, stream_id: int) -> Answer:
        return self._reader.answer(stream_id)

    def seen(self, kind: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    @property
    def closed(self) -> bool:
        return self.transport.closing or self.transport.ended
