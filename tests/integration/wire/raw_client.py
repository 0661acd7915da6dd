"""A client over a real socket that keeps no rule by itself: windows are the test's business."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Self

from tests.integration.wire.peer import Answer, Reader, greeting, serialized

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperframe.frame import Frame

_SECONDS = 10


class RawClient:
    def __init__(self, address: str, settings: dict[int, int] | None = None) -> None:
        self._socket = connect(address)
        self._reader = Reader()
        self.frames: list[Frame] = []
        """All that were received."""
        self._socket.sendall(greeting(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *frames: Frame | bytes) -> None:
        self._socket.sendall(serialized(frames))

    def send_in_segments(self, data: bytes, size: int = 1) -> None:
        """Each in a TCP segment of its own."""
        for start in range(0, len(data), size):
            self._socket.sendall(data[start : start + size])

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def until(self, condition: Callable[[], object]) -> None:
        """Receive until it holds. Raises EOFError when the server hangs up before."""
        while not condition():
            data = self._socket.recv(65_536)
            if not data:
                raise EOFError
            self.frames += self._reader.frames(data)

    def until_closed(self) -> None:
        with self._socket:
            try:
                self.until(lambda: False)
            except (EOFError, ConnectionError):
                return

    def answer(self, stream_id: int) -> Answer:
        """The whole answer, or what there is of it when the stream is reset."""
        answer = self._reader.answer(stream_id)
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def seen(self, kind: type[Frame]) -> list[Frame]:
        return [frame for frame in self.frames if isinstance(frame, kind)]


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
