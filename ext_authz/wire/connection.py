"""One HTTP/2 connection of unary gRPC calls, read frame by frame.

No coroutine, future or task per call: `data_received` walks the frames and hands complete messages
to their handlers; answers are written together once per turn of the event loop. RFC 9113 is
followed; its section numbers stand beside what might look arbitrary.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, cast

import structlog
from hpack import HPACKError

from ext_authz.wire import answers, frames, limits
from ext_authz.wire.allowance import Allowance
from ext_authz.wire.frames import ErrorCode
from ext_authz.wire.head import MalformedHeadError, check_trailers
from ext_authz.wire.header_blocks import HeaderBlocks
from ext_authz.wire.message import MessageError, unwrap
from ext_authz.wire.sender import Sender
from ext_authz.wire.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Methods = Mapping[str, Callable[[bytes, Stream], None]]

log = structlog.get_logger(__name__)

_OUR_SETTINGS = frames.settings(
    {
        # No dynamic table: then equal headers are equal bytes.
        frames.SETTINGS_HEADER_TABLE_SIZE: 0,
        frames.SETTINGS_MAX_CONCURRENT_STREAMS: limits.CONCURRENT_STREAMS_MAX,
        frames.SETTINGS_INITIAL_WINDOW_SIZE: limits.STREAM_WINDOW,
        frames.SETTINGS_MAX_HEADER_LIST_SIZE: limits.HEADER_LIST_BYTES_MAX,
    }
) + frames.window_update(0, limits.CONNECTION_WINDOW - frames.DEFAULT_WINDOW)

_STREAM_ID_MASK = 0x7FFF_FFFF
_PRIORITY_LENGTH, _PING_LENGTH, _WORD_LENGTH, _SETTING_LENGTH = 5, 8, 4, 6


class ConnectionFault(Exception):  # noqa: N818 - it is the peer's fault, not our error
    """The peer broke the protocol; the connection ends with this code (section 5.4.1)."""

    def __init__(self, code: ErrorCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class _HeaderBlock:
    """A header block that continues in CONTINUATION frames."""

    def __init__(self, stream_id: int, fragment: bytes, *, ends_stream: bool) -> None:
        self.stream_id = stream_id
        self.data = bytearray(fragment)
        self.ends_stream = ends_stream
        self.continuations = 0


class Connection(asyncio.Protocol):
    def __init__(self, methods: Methods, connections: set[Connection]) -> None:
        self._methods = methods
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._sender = Sender(self._loop, self._finished)
        self._rest = b""
        self._greeted = False
        # SETTINGS were received: the first frame of every peer (section 3.4).
        self._settled = False
        self._blocks = HeaderBlocks()
        self._block: _HeaderBlock | None = None
        self._last_stream_id = 0
        self._streams: dict[int, Stream] = {}
        self._receive_window = limits.CONNECTION_WINDOW
        self._allowance = Allowance(
            limits.IDLE_FRAMES_PER_SECOND, limits.IDLE_FRAMES_BURST, self._loop.time
        )
        self._stalled_since: float | None = self._loop.time()
        self._draining = False
        self._frame_handlers: dict[int, Callable[[int, int, bytes], None]] = {
            frames.DATA: self._data,
            frames.HEADERS: self._headers,
            frames.PRIORITY: self._priority,
            frames.RST_STREAM: self._rst_stream,
            frames.SETTINGS: self._settings,
            frames.PUSH_PROMISE: self._push_promise,
            frames.PING: self._ping,
            frames.GOAWAY: self._goaway,
            frames.WINDOW_UPDATE: self._window_update,
            frames.CONTINUATION: self._continuation,
        }

    # What the server asks -------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        return not self._streams

    def announce_drain(self) -> None:
        """Ask the peer to open no more streams; those it opens meanwhile are still answered."""
        self._sender.write(frames.goaway(_STREAM_ID_MASK, ErrorCode.NO_ERROR))

    def drain(self) -> None:
        """Take no more streams; close when the last one is answered (section 6.8)."""
        self._draining = True
        self._sender.write(frames.goaway(self._last_stream_id, ErrorCode.NO_ERROR))
        self._close_if_drained()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def abort_if_stalled(self, now: float) -> None:
        """End a peer that neither finishes what it began nor reads what it asked for."""
        if self._stalled_since is None:
            return
        if now - self._stalled_since > limits.STALLED_SECONDS_MAX:
            log.info("a stalled peer was disconnected")
            self.abort()

    # What streams ask -----------------------------------------------------------------------------

    def answer(self, stream: Stream, message: bytes) -> None:
        if stream.stream_id not in self._streams:
            return
        if self._loop.time() >= stream.deadline:
            self.fail(stream, answers.DEADLINE_EXCEEDED, "the deadline has passed")
        else:
            self._sender.answer(stream, message)

    def fail(self, stream: Stream, status: int, message: str) -> None:
        if stream.stream_id in self._streams:
            self._sender.end_with(stream, answers.failure_block(status, message))

    # What the transport tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports share no base class with asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            transport.close()
            return
        self._connections.add(self)
        self._sender.attach(self._transport)
        self._sender.write(_OUR_SETTINGS)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self)
        self._transport = None
        self._sender.attach(None)
        self._streams.clear()

    def pause_writing(self) -> None:
        # Who does not read its answers asks no more questions: so our memory stays bounded.
        self._stalled_since = self._loop.time()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled_since = None
        if self._transport is not None:
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        # A half-closed peer still gets what it asked for.
        self._draining = True
        return not self.idle

    def data_received(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        try:
            self._rest = buffer[self._walk(buffer) :]
        except ConnectionFault as fault:
            self._end(fault.code, str(fault))
        except HPACKError as error:
            self._end(ErrorCode.COMPRESSION_ERROR, str(error))

    # Reading --------------------------------------------------------------------------------------

    def _walk(self, buffer: bytes) -> int:
        """Handle all complete frames; returns how many bytes they were."""
        offset, end = 0, len(buffer)
        if not self._greeted:
            offset = self._greet(buffer)
        streams = self._streams
        while end - offset >= frames.HEADER_LENGTH and self._greeted:
            length = buffer[offset] << 16 | buffer[offset + 1] << 8 | buffer[offset + 2]
            if length > limits.FRAME_BYTES_MAX:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "frame too large")
            start = offset + frames.HEADER_LENGTH
            stop = start + length
            if stop > end:
                break
            kind, flags = buffer[offset + 3], buffer[offset + 4]
            stream_id = int.from_bytes(buffer[offset + 5 : start], "big") & _STREAM_ID_MASK
            offset = stop
            # The two frames of an ordinary call, whole and plain, take the short way.
            if self._block is None and self._settled:
                if kind == frames.HEADERS and flags == frames.END_HEADERS:
                    self._begin(stream_id, buffer[start:stop], ends_stream=False)
                    continue
                if kind == frames.DATA and flags == frames.END_STREAM:
                    stream = streams.get(stream_id)
                    if stream is not None and stream.body is None and not stream.complete:
                        self._count_received(stream, length)
                        stream.complete = True
                        self._call(stream, buffer[start:stop])
                        continue
            self._frame(kind, flags, stream_id, buffer[start:stop])
            if self._transport is None or self._transport.is_closing():
                break
        return offset

    def _greet(self, buffer: bytes) -> int:
        length = len(frames.PREFACE)
        if not frames.PREFACE.startswith(buffer[:length]):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "not HTTP/2")
        if len(buffer) < length:
            return 0
        self._greeted = True
        return length

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        # Nothing may stand between the parts of a header block (section 6.10).
        if block and (kind != frames.CONTINUATION or stream_id != block.stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "expected CONTINUATION")
        if not self._settled and kind != frames.SETTINGS:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "expected SETTINGS")
        handler = self._frame_handlers.get(kind)
        # Frames of unknown types are ignored (section 4.1).
        if handler is None:
            self._spend()
        else:
            handler(flags, stream_id, payload)

    # Requests -------------------------------------------------------------------------------------

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        fragment = _unpad(flags, payload)
        if flags & frames.PRIORITY_FLAG:
            if len(fragment) < _PRIORITY_LENGTH:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short")
            if int.from_bytes(fragment[:4], "big") & _STREAM_ID_MASK == stream_id:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
            fragment = fragment[_PRIORITY_LENGTH:]
        ends_stream = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._begin(stream_id, fragment, ends_stream=ends_stream)
        else:
            self._stalled_since = self._loop.time()
            self._block = _HeaderBlock(stream_id, fragment, ends_stream=ends_stream)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "unexpected CONTINUATION")
        block.data += payload
        block.continuations += 1
        if (
            len(block.data) > limits.HEADER_LIST_BYTES_MAX
            or block.continuations > limits.CONTINUATIONS_MAX
        ):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header block too large")
        if flags & frames.END_HEADERS:
            self._block = None
            self._stalled_since = None
            self._begin(stream_id, bytes(block.data), ends_stream=block.ends_stream)

    def _begin(self, stream_id: int, block: bytes, *, ends_stream: bool) -> None:
        if stream_id <= self._last_stream_id:
            self._trailers(stream_id, block, ends_stream=ends_stream)
            return
        if not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "clients open odd streams")
        # Decoded in any case: the peer's table goes on with it.
        head = self._blocks.head(block)
        if self._draining:
            return
        self._last_stream_id = stream_id
        if head is None:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        if len(self._streams) >= limits.CONCURRENT_STREAMS_MAX:
            self._reset(stream_id, ErrorCode.REFUSED_STREAM)
            return
        timeout = head.timeout_seconds
        deadline = math.inf if timeout == math.inf else self._loop.time() + timeout
        stream = Stream(self, stream_id, head, deadline, self._sender.stream_window)
        self._streams[stream_id] = stream
        if ends_stream:
            stream.complete = True
            self._call(stream, b"")

    def _trailers(self, stream_id: int, block: bytes, *, ends_stream: bool) -> None:
        fields = self._blocks.fields(block)
        stream = self._streams.get(stream_id)
        if stream is None or stream.complete:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream")
        try:
            check_trailers(fields)
        except MalformedHeadError:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        if not ends_stream:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        stream.complete = True
        self._call(stream, bytes(stream.body or b""))

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0 or stream_id > self._last_stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream")
        data = _unpad(flags, payload)
        stream = self._streams.get(stream_id)
        self._count_received(stream, len(payload))
        if stream is None or stream.complete:
            self._spend()
            self._reset(stream_id, ErrorCode.STREAM_CLOSED)
            return
        if not data and not flags & frames.END_STREAM:
            self._spend()
        if stream.body is None:
            stream.body = bytearray()
        stream.body += data
        if len(stream.body) > limits.MESSAGE_BYTES_MAX + 5:
            self._too_large(stream)
        elif flags & frames.END_STREAM:
            stream.complete = True
            self._call(stream, bytes(stream.body))

    def _count_received(self, stream: Stream | None, length: int) -> None:
        self._receive_window -= length
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "connection window exceeded")
        if self._receive_window < limits.CONNECTION_WINDOW // 2:
            granted = limits.CONNECTION_WINDOW - self._receive_window
            self._sender.write(frames.window_update(0, granted))
            self._receive_window += granted
        if stream is not None:
            stream.received += length
            if stream.received > limits.STREAM_WINDOW:
                self._reset(stream.stream_id, ErrorCode.FLOW_CONTROL_ERROR)

    def _too_large(self, stream: Stream) -> None:
        self.fail(
            stream,
            answers.RESOURCE_EXHAUSTED,
            f"a message has at most {limits.MESSAGE_BYTES_MAX} bytes",
        )
        # The rest of it is not wanted (section 8.1).
        self._sender.write(frames.rst_stream(stream.stream_id, ErrorCode.NO_ERROR))

    def _call(self, stream: Stream, data: bytes) -> None:
        head = stream.head
        if head.content_length is not None and head.content_length != len(data):
            self._reset(stream.stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        if head.http_status != answers.HTTP_OK:
            block = answers.http_block(head.http_status)
            self._sender.answer_http(stream, block, answers.NOT_GRPC)
            return
        method = self._methods.get(head.path)
        if method is None:
            self.fail(stream, answers.UNIMPLEMENTED, f"no such method: {head.path[:128]}")
            return
        try:
            message = unwrap(data)
        except MessageError as error:
            self.fail(stream, error.status, error.message)
            return
        try:
            method(message, stream)
        except Exception:
            log.exception("a call failed")
            self.fail(stream, answers.INTERNAL, "internal error")

    # The connection's own affairs -----------------------------------------------------------------

    def _priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        self._spend()
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY of the connection")
        if len(payload) != _PRIORITY_LENGTH:
            self._reset(stream_id, ErrorCode.FRAME_SIZE_ERROR)
        elif int.from_bytes(payload[:4], "big") & _STREAM_ID_MASK == stream_id:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)

    def _rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        if stream_id == 0 or stream_id > self._last_stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "RST_STREAM of an idle stream")
        if len(payload) != _WORD_LENGTH:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
        self._spend()
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._sender.forget(stream)
            self._close_if_drained()

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id != 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS ACK has no payload")
            return
        if len(payload) % _SETTING_LENGTH:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS come in sixes")
        self._spend()
        # Before what a larger window sets free.
        self._sender.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        for start in range(0, len(payload), _SETTING_LENGTH):
            identifier = int.from_bytes(payload[start : start + 2], "big")
            self._setting(identifier, int.from_bytes(payload[start + 2 : start + 6], "big"))
        if not self._settled:
            self._settled = True
            self._stalled_since = None

    def _setting(self, identifier: int, value: int) -> None:
        if identifier == frames.SETTINGS_ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        if identifier == frames.SETTINGS_INITIAL_WINDOW_SIZE:
            if value > frames.WINDOW_MAX or not self._sender.resize_streams(
                value, list(self._streams.values())
            ):
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "window too large")
        elif identifier == frames.SETTINGS_MAX_FRAME_SIZE:
            if not frames.DEFAULT_FRAME_SIZE <= value <= frames.FRAME_SIZE_MAX:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of range")
            self._sender.resize_frames(value)

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags, stream_id, payload
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "clients do not push")

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id != 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != _PING_LENGTH:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING has 8 bytes")
        self._spend()
        if not flags & frames.ACK:
            self._sender.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags, payload
        if stream_id != 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY of a stream")
        self._draining = True
        self._close_if_drained()

    def _window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        if len(payload) != _WORD_LENGTH:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        increment = int.from_bytes(payload, "big") & _STREAM_ID_MASK
        if stream_id == 0:
            if increment == 0:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window grows by 1 at least")
            if not self._sender.grant(increment):
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "connection window too large")
            return
        if stream_id > self._last_stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of an idle stream")
        self._spend()
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if increment == 0:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)
        elif not self._sender.grant_stream(stream, increment):
            self._reset(stream_id, ErrorCode.FLOW_CONTROL_ERROR)

    # Ends -----------------------------------------------------------------------------------------

    def _spend(self) -> None:
        if not self._allowance.take():
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without a call")

    def _reset(self, stream_id: int, code: ErrorCode) -> None:
        """A stream error: this stream ends, the connection goes on (section 5.4.2)."""
        self._spend()
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.complete = True
            self._sender.forget(stream)
        self._sender.write(frames.rst_stream(stream_id, code))
        self._close_if_drained()

    def _finished(self, stream: Stream) -> None:
        self._streams.pop(stream.stream_id, None)
        if self._draining:
            self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self._draining and self.idle and self._transport is not None:
            self._sender.flush()
            self._transport.close()

    def _end(self, code: ErrorCode, why: str) -> None:
        """A connection error: say so and close (section 5.4.1)."""
        log.info("a peer broke the protocol", code=code.name, why=why)
        self._streams.clear()
        self._sender.write(frames.goaway(self._last_stream_id, code, why))
        self._sender.flush()
        if self._transport is not None:
            self._transport.close()


def _unpad(flags: int, payload: bytes) -> bytes:
    if not flags & frames.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
