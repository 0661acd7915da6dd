"""The sending half of a connection: one write per turn of the loop, within the peer's windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ext_authz.wire import answers, frames, limits
from ext_authz.wire.frames import ErrorCode

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

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
        # What the peer's windows hold back: by the stream's own window, or by the connection's.
        self._blocked: dict[int, _Unsent] = {}
        self._ready: dict[int, _Unsent] = {}
        self._progress_at = 0.0
        self._more_scheduled = False

    def attach(self, transport: asyncio.Transport | None) -> None:
        """None once the connection is lost; what is written then goes nowhere."""
        self._transport = transport
        if transport is None:
            self._out.clear()
            self._blocked.clear()
            self._ready.clear()

    def held_up_since(self) -> float | None:
        """When something last left that waits for the peer's windows; None if nothing waits."""
        return self._progress_at if self._blocked or self._ready else None

    @property
    def blocked(self) -> int:
        """How many answers wait for their streams' windows."""
        return len(self._blocked)

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
        # Others that wait are no reason to: their own windows hold them back, or the connection's
        # is empty, or it is their turn at once.
        if size > self._window or size > stream.send_window or size > self._frame_size:
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

    def end_early_with(self, stream: Stream, block: bytes) -> None:
        """As `end_with`, to a peer that is still sending: it need not go on (section 8.1)."""
        flags = frames.END_HEADERS | frames.END_STREAM
        self.write(frames.frame(frames.HEADERS, flags, stream.stream_id, block))
        self.write(frames.rst_stream(stream.stream_id, ErrorCode.NO_ERROR))
        self._finished(stream)

    def answer_http(self, stream: Stream, block: bytes, text: bytes) -> None:
        """An answer to a request that is not gRPC."""
        self.write(frames.frame(frames.HEADERS, frames.END_HEADERS, stream.stream_id, block))
        self._begin(_Unsent(stream, memoryview(text), has_trailers=False))

    def forget(self, stream: Stream) -> bool:
        """Drop what is unsent of a stream that was reset; False when there is nothing of it."""
        stream_id = stream.stream_id
        blocked = self._blocked.pop(stream_id, None)
        return self._ready.pop(stream_id, None) is not None or blocked is not None

    def grant(self, increment: int) -> bool:
        """The peer lets the connection send more; False when that overflows (section 6.9.1)."""
        self._window += increment
        if self._window > frames.WINDOW_MAX:
            return False
        self._send_ready()
        return True

    def grant_stream(self, stream: Stream, increment: int) -> bool:
        """As `grant`, for one stream."""
        stream.send_window += increment
        if stream.send_window > frames.WINDOW_MAX:
            return False
        unsent = self._blocked.pop(stream.stream_id, None)
        if unsent is not None:
            self._send(unsent)
        return True

    def resize_streams(self, window: int, streams: Iterable[Stream]) -> bool:
        """The peer changed the initial window, also of streams that are open (section 6.9.2)."""
        change = window - self.stream_window
        self.stream_window = window
        for stream in streams:
            stream.send_window += change
            if stream.send_window > frames.WINDOW_MAX:
                return False
        if change > 0:
            self._ready |= self._blocked
            self._blocked.clear()
            self._send_ready()
        return True

    def resize_frames(self, size: int) -> None:
        self._frame_size = size

    def _answer_in_parts(self, stream: Stream, message: bytes) -> None:
        self.write(b"".join((answers.HEADERS_START, stream.id_bytes, answers.HEADERS_BLOCK)))
        prefixed = b"\x00" + len(message).to_bytes(4, "big") + message
        self._begin(_Unsent(stream, memoryview(prefixed), has_trailers=True))

    def _begin(self, unsent: _Unsent) -> None:
        self._progress_at = self._loop.time()
        self._send(unsent)

    def _send_ready(self) -> None:
        # In turn: what is left of one stands behind the others.
        for _ in range(limits.ANSWERS_FREED_PER_TURN_MAX):
            if self._window <= 0 or not self._ready:
                return
            self._send(self._ready.pop(next(iter(self._ready))))
        if not self._more_scheduled:
            self._more_scheduled = True
            self._loop.call_soon(self._send_more)

    def _send_more(self) -> None:
        self._more_scheduled = False
        self._send_ready()

    def _send(self, unsent: _Unsent) -> None:
        """Send what the windows let pass; keep the rest where its window will find it."""
        stream = unsent.stream
        while unsent.data:
            size = min(self._window, stream.send_window, self._frame_size)
            if size <= 0:
                waiting = self._blocked if stream.send_window <= 0 else self._ready
                waiting[stream.stream_id] = unsent
                return
            self._send_part(unsent, size)
        if unsent.has_trailers:
            self.write(b"".join((answers.TRAILERS_START, stream.id_bytes, answers.TRAILERS_BLOCK)))
        self._finished(stream)

    def _send_part(self, unsent: _Unsent, size: int) -> None:
        stream = unsent.stream
        part, unsent.data = bytes(unsent.data[:size]), unsent.data[size:]
        self._window -= len(part)
        stream.send_window -= len(part)
        self._progress_at = self._loop.time()
        ends = not unsent.data and not unsent.has_trailers
        flags = frames.END_STREAM if ends else 0
        self.write(frames.frame(frames.DATA, flags, stream.stream_id, part))


class _Unsent:
    """What the peer's windows hold back of an answer."""

    def __init__(self, stream: Stream, data: memoryview, *, has_trailers: bool) -> None:
        self.stream = stream
        self.data = data
        self.has_trailers = has_trailers
