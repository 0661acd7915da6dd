"""Checks with many keys over one HTTP/2 connection, which h2load cannot send.

It reads no more of the answers than where they end: whether checks were admitted is asked from
Redis.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from hpack import Encoder

from bench.check_request import METHOD
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import split_address

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_HEAD = 9
_MESSAGE_BYTES_MAX = 1_024
_WINDOW_FIRST = 65_535
# Nearly all there is, once: the answers of a million checks are far less.
_WINDOW_MORE = (2**31 - 1 - _WINDOW_FIRST).to_bytes(4, "big")
# As Envoy says it for every check.
_NO_DYNAMIC_TABLE = b"\x00\x01\x00\x00\x00\x00"


class KeyLoad(asyncio.Protocol):
    """Sends one message after the other, so many in flight."""

    def __init__(self, messages: Iterator[bytes], in_flight: int) -> None:
        self._messages = messages
        self._in_flight = in_flight
        self._window = _WINDOW_FIRST
        self._stream = -1
        self._rest = b""
        self._left = self._waiting = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done.set_result(None)

    async def send(self, count: int) -> None:
        """Return once `count` more are answered. Raises OperatorError when the server gives up."""
        if self._transport.is_closing():
            raise OperatorError("the server closed the connection")
        self._left, self._done = count, asyncio.get_running_loop().create_future()
        self._send_more()
        await self._done

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        host, port = transport.get_extra_info("peername")[:2]
        self._block = _header_block(f"{host}:{port}")
        self._transport.write(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, _NO_DYNAMIC_TABLE)
            + _frame(_WINDOW_UPDATE, 0, 0, _WINDOW_MORE)
        )

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        while len(data) - at >= _HEAD:
            end = at + _HEAD + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            stream = int.from_bytes(data[at + 5 : at + _HEAD], "big")
            self._frame_received(data[at + 3], data[at + 4], stream, data[at + _HEAD : end])
            at = end
        self._rest = data[at:]
        self._send_more()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the server closed the connection ({error or 'no reason given'})")

    def _frame_received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _HEADERS and flags & _END_STREAM:
            self._waiting -= 1
        elif kind == _WINDOW_UPDATE:
            # Those of single streams do not matter: each sends one small message.
            self._window += 0 if stream else int.from_bytes(payload, "big")
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            answer = payload if kind == _PING else b""
            self._transport.write(_frame(kind, _ACK, 0, answer))
        elif kind in (_RST_STREAM, _GOAWAY):
            self._fail(f"the server broke off: frame type {kind}, {payload!r}")

    def _send_more(self) -> None:
        out: list[bytes] = []
        while self._left and self._waiting < self._in_flight:
            if self._window < _MESSAGE_BYTES_MAX:
                break
            message = next(self._messages)
            self._window -= len(message)
            self._stream += 2
            out.append(_frame(_HEADERS, _END_HEADERS, self._stream, self._block))
            out.append(_frame(_DATA, _END_STREAM, self._stream, message))
            self._left -= 1
            self._waiting += 1
        if out:
            self._transport.write(b"".join(out))
        if not self._left and not self._waiting and not self._done.done():
            self._done.set_result(None)

    def _fail(self, how: str) -> None:
        if not self._done.done():
            self._done.set_exception(OperatorError(how))


async def open_key_load(address: str, messages: Iterator[bytes], in_flight: int) -> KeyLoad:
    _, load = await asyncio.get_running_loop().create_connection(
        lambda: KeyLoad(messages, in_flight), *split_address(address)
    )
    return load


def _header_block(authority: str) -> bytes:
    encoder = Encoder()
    # Never indexed, so that one block serves all requests of a connection.
    return encoder.encode(
        [
            (":method", "POST", True),
            (":scheme", "http", True),
            (":path", METHOD, True),
            (":authority", authority, True),
            ("content-type", "application/grpc", True),
            ("te", "trailers", True),
        ]
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return b"".join(
        (
            len(payload).to_bytes(3, "big"),
            bytes((kind, flags)),
            stream.to_bytes(4, "big"),
            payload,
        )
    )
