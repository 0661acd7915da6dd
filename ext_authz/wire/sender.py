"""The sending half of a connection: one write per turn of the loop, within the peer's windows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ext_authz.wire import answers, frames

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ext_authz.wire.stream import Stream

_PREFIX_LENGTH = 5


class Sender:
    """`finished` is called with each stream whose last frame was written."""

    def __init__(self, loop: asyncio.AbstractEventLoop, finished: Callable[[Stream], None]) -> None:
        self._loop = loop
        self._finished = finished
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._flush_scheduled = False
        self._window = frames.DEFAULT_WINDOW
        self.stream_window = frames.DEFAULT_WINDOW
        """What a new stream may send before the peer says more."""
        self._frame_size = frames.DEFAULT_FRAME_SIZE
        self._waiting: deque[_Unsent] = deque()

    def attach(self, transport: asyncio.Transport | None) -> None:
        """None once the connection is lost; what is written then goes nowhere."""
        self._transport = transport
        if transport is None:
            self._out.clear()
            self._waiting.clear()

    def write(self, data: bytes) -> None:
        self._out.append(data)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        self._flush_scheduled = False
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def answer(self, stream: Stream, message: bytes) -> None:
        size = len(message) + _PREFIX_LENGTH
        if (
            size > self._window
            or size > stream.send_window
            or size > self._frame_size
            or self._waiting
        ):
            self._answer_in_parts(stream, message)
            return
        self._window -= size
        stream_id = stream.id_bytes
        self.write(
            b"".join(
                (
                    answers.HEADERS_START,
                    stream_id,
                    answers.HEADERS_BLOCK,
                    size.to_bytes(3, "big"),
                    b"\x00\x00",
                    stream_id,
                    b"\x00",
                    (size - _PREFIX_LENGTH).to_bytes(4, "big"),
                    message,
                    answers.TRAILERS_START,
                    stream_id,
                    answers.TRAILERS_BLOCK,
                )
            )
        )
        self._finished(stream)

    def end_with(self, stream: Stream, block: bytes) -> None:
        """An answer of one header block."""
        flags = frames.END_HEADERS | frames.END_STREAM
        self.write(frames.frame(frames.HEADERS, flags, stream.stream_id, block))
        self._finished(stream)

    def answer_http(self, stream: Stream, block: bytes, text: bytes) -> None:
        """An answer to a request that is not gRPC."""
        self.write(frames.frame(frames.HEADERS, frames.END_HEADERS, stream.stream_id, block))
        self._waiting.append(_Unsent(stream, memoryview(text), has_trailers=False))
        self._send_waiting()

    def forget(self, stream: Stream) -> None:
        """Drop what is unsent of a stream that was reset."""
        if self._waiting:
            self._waiting = deque(unsent for unsent in self._waiting if unsent.stream is not stream)

    def grant(self, increment: int) -> bool:
        """The peer lets the connection send more; False when that overflows (section 6.9.1)."""
        self._window += increment
        self._send_waiting()
        return self._window <= frames.WINDOW_MAX

    def grant_stream(self, stream: Stream, increment: int) -> bool:
        """As `grant`, for one stream."""
        stream.send_window += increment
        self._send_waiting()
        return stream.send_window <= frames.WINDOW_MAX

    def resize_streams(self, window: int, streams: list[Stream]) -> bool:
        """The peer changed the initial window, also of streams that are open (section 6.9.2)."""
        change = window - self.stream_window
        self.stream_window = window
        for stream in streams:
            stream.send_window += change
        self._send_waiting()
        return all(stream.send_window <= frames.WINDOW_MAX for stream in streams)

    def resize_frames(self, size: int) -> None:
        self._frame_size = size

    def _answer_in_parts(self, stream: Stream, message: bytes) -> None:
        self.write(b"".join((answers.HEADERS_START, stream.id_bytes, answers.HEADERS_BLOCK)))
        prefixed = b"\x00" + len(message).to_bytes(4, "big") + message
        self._waiting.append(_Unsent(stream, memoryview(prefixed), has_trailers=True))
        self._send_waiting()

    def _send_waiting(self) -> None:
        # A stream whose own window is empty does not hold up the others.
        for _ in range(len(self._waiting)):
            if self._window <= 0:
                return
            unsent = self._waiting.popleft()
            self._send_some(unsent)
            if unsent.data:
                self._waiting.append(unsent)
            else:
                self._finished(unsent.stream)

    def _send_some(self, unsent: _Unsent) -> None:
        stream = unsent.stream
        while unsent.data:
            size = min(self._window, stream.send_window, self._frame_size)
            if size <= 0:
                return
            part, unsent.data = bytes(unsent.data[:size]), unsent.data[size:]
            self._window -= len(part)
            stream.send_window -= len(part)
            ends = not unsent.data and not unsent.has_trailers
            flags = frames.END_STREAM if ends else 0
            self.write(frames.frame(frames.DATA, flags, stream.stream_id, part))
        if unsent.has_trailers:
            self.write(b"".join((answers.TRAILERS_START, stream.id_bytes, answers.TRAILERS_BLOCK)))


class _Unsent:
    """What the peer's windows hold back of an answer."""

    def __init__(self, stream: Stream, data: memoryview, *, has_trailers: bool) -> None:
        self.stream = stream
        self.data = data
        self.has_trailers = has_trailers
