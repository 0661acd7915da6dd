"""One HTTP/2 connection of unary gRPC calls, read frame by frame.

No coroutine, future or task per call: `data_received` walks the frames and hands complete messages
to their handlers; answers are written together once per turn of the event loop. RFC 9113 is
followed; its section numbers stand beside what might look arbitrary.
"""

from __future__ import annotations

import asyncio
import math
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, cast

import structlog
from hpack import HPACKError

from ext_authz.wire import answers, frames, limits
from ext_authz.wire.allowance import Allowance
from ext_authz.wire.complaints import complain
from ext_authz.wire.frames import ErrorCode
from ext_authz.wire.head import MalformedHeadError, check_trailers
from ext_authz.wire.header_blocks import HeaderBlocks
from ext_authz.wire.held_bytes import HeldBytes
from ext_authz.wire.message import MessageError, unwrap
from ext_authz.wire.patience import Matter, Patience
from ext_authz.wire.sender import Sender
from ext_authz.wire.stream import Stream
from ext_authz.wire.turns import turns_of_this_loop

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
# By names of their own, for the sake of the loop that looks at every frame.
_HEADER_LENGTH, _FRAME_BYTES_MAX = frames.HEADER_LENGTH, limits.FRAME_BYTES_MAX
_DATA, _HEADERS = frames.DATA, frames.HEADERS
_END_STREAM, _END_HEADERS = frames.END_STREAM, frames.END_HEADERS
_CONNECTION_WINDOW_LOW = limits.CONNECTION_WINDOW // 2
_SMALL_BLOCK_BYTES = limits.REMEMBERED_BLOCK_BYTES_MAX
# Giving a stream a new window takes so much less than answering a frame.
_STREAMS_PER_IDLE_FRAME = 32
# The clock is read at every fourth frame.
_CLOCK_MASK = 3
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
        self._now = self._loop.time
        self._transport: asyncio.Transport | None = None
        self._sender = Sender(self._loop, self._finished)
        self._rest = b""
        self._greeted = False
        # SETTINGS were received: the first frame of every peer (section 3.4).
        self._settled = False
        self._turns = turns_of_this_loop()
        self._turn_begun = self._turn_until = 0.0
        self._blocks = HeaderBlocks(self._decode_costs)
        self._block: _HeaderBlock | None = None
        # The highest that the peer has opened, and the highest that we will answer.
        self._last_stream_id = 0
        self._last_stream_id_taken = _STREAM_ID_MASK
        # None: reset, but its handler is not done and counts as one in flight.
        self._streams: dict[int, Stream | None] = {}
        # Streams that we have reset lately: what is still on its way of them is ignored.
        self._reset_ids: set[int] = set()
        # Requests that were unfinished when last looked at, and since when.
        self._unfinished: dict[int, float] = {}
        self._held = HeldBytes()
        self._receive_window = limits.CONNECTION_WINDOW
        self._allowance = Allowance(
            limits.IDLE_FRAMES_PER_SECOND, limits.IDLE_FRAMES_BURST, self._now
        )
        self._calls = 0
        self._calls_paid = 0
        self._patience = Patience(self._now)
        self._patience.begin(Matter.GREETING)
        # Reading rests while the peer does not read, and while others have their turn.
        self._writing_paused = False
        self._put_off = False
        # Close once the last call is answered.
        self._draining = False
        self._peer_has_left = False
        self._left = False
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
        self._last_stream_id_taken = self._last_stream_id
        self._sender.write(frames.goaway(self._last_stream_id, ErrorCode.NO_ERROR))
        self._close_if_drained()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """End a peer that neither finishes what it began nor reads what it asked for."""
        before = now - limits.STALLED_SECONDS_MAX
        matter = self._patience.overdue(before)
        held_up_since = self._sender.held_up_since()
        if matter is not None:
            complain("a peer was disconnected", now, why=f"it does not {matter.value}")
            self.abort()
        elif held_up_since is not None and held_up_since < before:
            complain("a peer was disconnected", now, why="it does not open its windows")
            self.abort()
        elif self._streams or self._unfinished:
            self._drop_unfinished(now, before)

    def _drop_unfinished(self, now: float, before: float) -> None:
        streams = [stream for stream in self._streams.values() if stream and not stream.complete]
        self._unfinished = {
            stream.stream_id: self._unfinished.get(stream.stream_id, now) for stream in streams
        }
        for stream in streams:
            if self._unfinished[stream.stream_id] < before or stream.deadline <= now:
                self._drop(stream.stream_id, ErrorCode.CANCEL)

    # What streams ask -----------------------------------------------------------------------------

    def answer(self, stream: Stream, message: bytes) -> None:
        if self._streams.get(stream.stream_id) is not stream:
            self._forget_handler(stream)
        elif self._now() >= stream.deadline:
            self.fail(stream, answers.DEADLINE_EXCEEDED, "the deadline has passed")
        else:
            self._sender.answer(stream, message)

    def fail(self, stream: Stream, status: int, message: str) -> None:
        if self._streams.get(stream.stream_id) is stream:
            # An answer that has begun to leave can only be broken off.
            if self._sender.forget(stream):
                self._drop(stream.stream_id, ErrorCode.INTERNAL_ERROR)
            else:
                self._sender.end_with(stream, answers.failure_block(status, message))
        else:
            self._forget_handler(stream)

    def _forget_handler(self, stream: Stream) -> None:
        """Nobody waits for this answer any more; but the handler is done."""
        self._streams.pop(stream.stream_id, None)
        self._close_if_drained()

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
        self._forget_streams()

    def pause_writing(self) -> None:
        # Who does not read its answers asks no more questions: so our memory stays bounded.
        self._patience.begin(Matter.READING)
        self._writing_paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._patience.end(Matter.READING)
        self._writing_paused = False
        if self._put_off:
            self._turns.queue(self._go_on)
        elif self._transport is not None:
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        # A half-closed peer still gets what it asked for, as far as it did.
        self._peer_has_left = True
        self._draining = True
        for stream in list(self._streams.values()):
            if stream is not None and not stream.complete:
                self._forget(stream.stream_id)
        return not self.idle and not self._left

    def data_received(self, data: bytes) -> None:
        if self._left:
            return
        buffer = self._rest + data if self._rest else data
        if self._put_off:
            # Read before reading was paused.
            self._rest = buffer
        else:
            self._read(buffer)

    # Reading --------------------------------------------------------------------------------------

    def _read(self, buffer: bytes) -> None:
        try:
            offset = self._walk(buffer)
        except ConnectionFault as fault:
            self._end(fault.code, str(fault))
            return
        except HPACKError as error:
            self._end(ErrorCode.COMPRESSION_ERROR, str(error))
            return
        self._rest = buffer[offset:]
        if not self._rest or self._put_off:
            self._patience.end(Matter.FRAME)
        elif offset or len(buffer) <= frames.HEADER_LENGTH:
            self._patience.begin(Matter.FRAME)

    def _let_others(self) -> None:
        """Go on with what is read already after the other connections had their turn."""
        self._put_off = True
        if self._transport is not None:
            self._transport.pause_reading()
            self._turns.queue(self._go_on)

    def _go_on(self) -> None:
        # `resume_writing` calls again.
        if self._writing_paused or not self._put_off:
            return
        self._put_off = False
        if self._left or self._transport is None or self._transport.is_closing():
            return
        self._read(self._rest)
        if not self._put_off and not self._writing_paused and self._transport is not None:
            self._transport.resume_reading()

    def _walk(self, buffer: bytes) -> int:  # noqa: C901, PLR0912 - the loop where a call is felt
        """Handle all complete frames; returns how many bytes they were."""
        offset, end = 0, len(buffer)
        if not self._greeted:
            offset = self._greet(buffer)
            if not self._greeted:
                return 0
        streams = self._streams
        self._begin_turn()
        for number in count(1):
            start = offset + _HEADER_LENGTH
            if start > end:
                break
            if not number & _CLOCK_MASK and perf_counter() > self._turn_until:
                self._let_others()
                break
            length = buffer[offset] << 16 | buffer[offset + 1] << 8 | buffer[offset + 2]
            if length > _FRAME_BYTES_MAX:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "frame too large")
            stop = start + length
            if stop > end:
                break
            kind, flags = buffer[offset + 3], buffer[offset + 4]
            stream_id = int.from_bytes(buffer[offset + 5 : start], "big") & _STREAM_ID_MASK
            offset = stop
            # The two frames of an ordinary call, whole and plain, take the short way.
            if self._block is None and self._settled:
                if kind == _HEADERS and flags == _END_HEADERS and length <= _SMALL_BLOCK_BYTES:
                    self._begin(stream_id, buffer[start:stop], ends_stream=False)
                    continue
                if kind == _DATA and flags == _END_STREAM:
                    stream = streams.get(stream_id)
                    if stream is not None and stream.body is None and not stream.complete:
                        self._receive_window -= length
                        if self._receive_window < _CONNECTION_WINDOW_LOW:
                            self._refill_window()
                        stream.complete = True
                        self._call(stream, buffer[start:stop])
                        continue
            if not self._odd_frame(kind, flags, stream_id, buffer[start:stop]):
                break
        return offset

    def _begin_turn(self) -> None:
        self._turn_begun = now = perf_counter()
        contended = self._turns.contended
        self._turn_until = now + (
            limits.TURN_SECONDS_MAX_OF_OTHERS if contended else limits.TURN_SECONDS_MAX
        )

    def _shorten_turn(self) -> None:
        self._turn_until = self._turn_begun + limits.TURN_SECONDS_MAX_OF_OTHERS

    def _odd_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> bool:
        """Any other frame; False when it was the last of this turn."""
        self._frame(kind, flags, stream_id, payload)
        if self._left or self._transport is None or self._transport.is_closing():
            return False
        self._shorten_turn()
        if perf_counter() <= self._turn_until:
            return True
        self._let_others()
        return False

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
            self._patience.begin(Matter.HEADER_BLOCK)
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
            self._patience.end(Matter.HEADER_BLOCK)
            self._begin(stream_id, bytes(block.data), ends_stream=block.ends_stream)

    def _begin(self, stream_id: int, block: bytes, *, ends_stream: bool) -> None:
        if stream_id <= self._last_stream_id:
            self._trailers(stream_id, block, ends_stream=ends_stream)
            return
        if not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "clients open odd streams")
        # Decoded in any case: the peer's table goes on with it.
        head = self._blocks.head(block)
        self._last_stream_id = stream_id
        if stream_id > self._last_stream_id_taken:
            return
        if head is None:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        if len(self._streams) >= limits.CONCURRENT_STREAMS_MAX:
            self._reset(stream_id, ErrorCode.REFUSED_STREAM)
            return
        timeout = head.timeout_seconds
        deadline = math.inf if timeout == math.inf else self._now() + timeout
        stream = Stream(self, stream_id, head, deadline, self._sender.stream_window)
        self._streams[stream_id] = stream
        if ends_stream:
            stream.complete = True
            self._call(stream, b"")

    def _trailers(self, stream_id: int, block: bytes, *, ends_stream: bool) -> None:
        fields = self._blocks.fields(block)
        if stream_id > self._last_stream_id_taken:
            return
        stream = self._streams.get(stream_id)
        if stream_id in self._reset_ids:
            self._spend()
            return
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
        self._complete(stream)

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0 or stream_id > self._last_stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream")
        data = _unpad(flags, payload)
        stream = self._streams.get(stream_id)
        self._count_received(stream, len(payload))
        if stream_id > self._last_stream_id_taken:
            return
        if stream is None or stream.complete:
            self._spend()
            if stream_id not in self._reset_ids:
                self._drop(stream_id, ErrorCode.STREAM_CLOSED)
            return
        if not data and not flags & frames.END_STREAM:
            self._spend()
        if stream.body is None:
            stream.body = bytearray()
        if len(stream.body) + len(data) > limits.MESSAGE_BYTES_MAX + 5:
            self._refuse_rest(stream, f"a message has at most {limits.MESSAGE_BYTES_MAX} bytes")
        elif not self._held.take(len(data)):
            self._refuse_rest(stream, "too many unfinished messages")
        else:
            stream.body += data
            if flags & frames.END_STREAM:
                self._complete(stream)

    def _count_received(self, stream: Stream | None, length: int) -> None:
        self._receive_window -= length
        if self._receive_window < _CONNECTION_WINDOW_LOW:
            self._refill_window()
        if stream is not None:
            stream.received += length
            if stream.received > limits.STREAM_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "stream window exceeded")

    def _refill_window(self) -> None:
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "connection window exceeded")
        granted = limits.CONNECTION_WINDOW - self._receive_window
        self._sender.write(frames.window_update(0, granted))
        self._receive_window += granted

    def _refuse_rest(self, stream: Stream, why: str) -> None:
        """Answer before the message has ended; the rest of it is not wanted (section 8.1)."""
        self._release(stream)
        self._remember_reset(stream.stream_id)
        block = answers.failure_block(answers.RESOURCE_EXHAUSTED, why)
        self._sender.end_early_with(stream, block)

    def _complete(self, stream: Stream) -> None:
        """The last frame of a request that came in parts."""
        data = bytes(stream.body or b"")
        self._release(stream)
        stream.complete = True
        self._call(stream, data)

    def _release(self, stream: Stream) -> None:
        if stream.body is not None:
            self._held.give_back(len(stream.body))
            stream.body = None

    def _call(self, stream: Stream, data: bytes) -> None:
        head = stream.head
        if head.content_length is not None and head.content_length != len(data):
            # No handler will ever say that it is done.
            del self._streams[stream.stream_id]
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
        if self._now() >= stream.deadline:
            self.fail(stream, answers.DEADLINE_EXCEEDED, "the deadline has passed")
            return
        self._calls += 1
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
        self._forget(stream_id)
        self._close_if_drained()

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id != 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS ACK has no payload")
            self._spend()
            return
        if len(payload) % _SETTING_LENGTH:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS come in sixes")
        # A new window is work for each stream, and more for those that wait for it.
        streams = len(self._streams) // _STREAMS_PER_IDLE_FRAME
        self._spend(1 + streams + self._sender.blocked)
        # Before what a larger window sets free.
        self._sender.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        # The last of equal ones counts, and the others shall cost nothing.
        values = {
            int.from_bytes(payload[start : start + 2], "big"): int.from_bytes(
                payload[start + 2 : start + 6], "big"
            )
            for start in range(0, len(payload), _SETTING_LENGTH)
        }
        for identifier, value in values.items():
            self._setting(identifier, value)
        if not self._settled:
            self._settled = True
            self._patience.end(Matter.GREETING)

    def _setting(self, identifier: int, value: int) -> None:
        if identifier == frames.SETTINGS_ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        if identifier == frames.SETTINGS_INITIAL_WINDOW_SIZE:
            streams = [stream for stream in self._streams.values() if stream is not None]
            if value > frames.WINDOW_MAX or not self._sender.resize_streams(value, streams):
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
        self._spend()
        if stream_id == 0:
            if increment == 0:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window grows by 1 at least")
            if not self._sender.grant(increment):
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "connection window too large")
            return
        if stream_id > self._last_stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of an idle stream")
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if increment == 0:
            self._reset(stream_id, ErrorCode.PROTOCOL_ERROR)
        elif not self._sender.grant_stream(stream, increment):
            self._reset(stream_id, ErrorCode.FLOW_CONTROL_ERROR)

    # Ends -----------------------------------------------------------------------------------------

    def _spend(self, amount: int = 1) -> None:
        earned = (self._calls - self._calls_paid) * limits.IDLE_FRAMES_PER_CALL
        self._calls_paid = self._calls
        if not self._allowance.take(amount, earned):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too much work without a call")

    def _decode_costs(self, amount: int) -> None:
        self._shorten_turn()
        if amount:
            self._spend(amount)

    def _reset(self, stream_id: int, code: ErrorCode) -> None:
        """A stream error: this stream ends, the connection goes on (section 5.4.2)."""
        self._spend()
        self._drop(stream_id, code)

    def _drop(self, stream_id: int, code: ErrorCode) -> None:
        self._forget(stream_id)
        self._remember_reset(stream_id)
        self._sender.write(frames.rst_stream(stream_id, code))
        self._close_if_drained()

    def _remember_reset(self, stream_id: int) -> None:
        if len(self._reset_ids) >= limits.CONCURRENT_STREAMS_MAX:
            self._reset_ids.clear()
        self._reset_ids.add(stream_id)

    def _forget(self, stream_id: int) -> None:
        """Wait no longer for the rest of a request, nor send the rest of its answer."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if stream.complete and not self._sender.forget(stream):
            # Its handler is at work. Were it not counted, resets would buy any number of them.
            self._streams[stream_id] = None
            return
        self._release(stream)
        stream.complete = True
        del self._streams[stream_id]

    def _forget_streams(self) -> None:
        for stream in self._streams.values():
            if stream is not None:
                self._release(stream)
        self._streams.clear()

    def _finished(self, stream: Stream) -> None:
        self._streams.pop(stream.stream_id, None)
        if self._draining:
            self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self._draining and self.idle and self._transport is not None and not self._left:
            self._leave(self._transport)

    def _leave(self, transport: asyncio.Transport) -> None:
        """Say that nothing more comes, and wait for the peer to say so too.

        Closed at once, with something of the peer's unread, the last answers might be lost: TCP
        then resets the connection.
        """
        self._left = True
        self._patience.begin(Matter.LEAVING)
        self._sender.flush()
        self._sender.attach(None)
        if self._peer_has_left or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:
            # The peer has gone, though nobody has told us yet.
            transport.close()
            return
        if not self._writing_paused:
            transport.resume_reading()

    def _end(self, code: ErrorCode, why: str) -> None:
        """A connection error: say so and close (section 5.4.1)."""
        complain("a peer broke the protocol", self._now(), code=code.name, why=why)
        self._left = True
        self._patience.begin(Matter.LEAVING)
        self._forget_streams()
        last_stream_id = min(self._last_stream_id, self._last_stream_id_taken)
        self._sender.write(frames.goaway(last_stream_id, code, why))
        self._sender.flush()
        self._sender.attach(None)
        if self._transport is not None:
            self._transport.close()


def _unpad(flags: int, payload: bytes) -> bytes:
    if not flags & frames.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
