"""The client's half of HTTP/2, frame by frame, so that a test can also do it wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
)

from tests.integration.wire.echo import path

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD_LENGTH = 9
_TABLE_SIZE_0 = b"\x20"
Headers = list[tuple[str, str]]


def greeting(settings: dict[int, int] | None = None) -> bytes:
    return PREFACE + SettingsFrame(0, settings or {}).serialize()


def request_headers(method: str = "Echo", *more: tuple[str, str]) -> Headers:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path(method)),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]


def wrap(message: bytes) -> bytes:
    """With gRPC's prefix."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def block(headers: Headers, *, first: bool = False) -> bytes:
    """Encoded without a table; the first of a connection says so, as the server has asked."""
    encoder = Encoder()
    encoder.header_table_size = 0
    encoded = encoder.encode(headers)
    return encoded if first else encoded.removeprefix(_TABLE_SIZE_0)


def headers_frame(stream_id: int, headers: Headers, *flags: str) -> Frame:
    data = block(headers, first=stream_id == 1)
    return HeadersFrame(stream_id, data, flags=["END_HEADERS", *flags])


def data_frame(stream_id: int, data: bytes, *flags: str) -> Frame:
    return DataFrame(stream_id, data, flags=list(flags))


def call(stream_id: int, message: bytes = b"", method: str = "Echo") -> list[Frame]:
    """An ordinary call."""
    return [
        headers_frame(stream_id, request_headers(method)),
        data_frame(stream_id, wrap(message), "END_STREAM"),
    ]


def serialized(frames: Iterable[Frame | bytes]) -> bytes:
    return b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)


@dataclass
class Answer:
    """What arrived of one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def message(self) -> bytes:
        assert self.data[:1] == b"\x00"
        assert len(self.data) == 5 + int.from_bytes(self.data[1:5], "big")
        return self.data[5:]

    @property
    def status(self) -> int:
        """Of gRPC."""
        return int(self.trailers.get("grpc-status") or self.headers["grpc-status"])


class Reader:
    """Splits what the server writes into frames, and sums them up by stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._decoder = Decoder()
        self.answers: dict[int, Answer] = {}

    def frames(self, data: bytes) -> list[Frame]:
        self._rest += data
        found: list[Frame] = []
        while len(self._rest) >= _HEAD_LENGTH:
            frame, length = Frame.parse_frame_header(memoryview(self._rest[:_HEAD_LENGTH]))
            end = _HEAD_LENGTH + length
            if len(self._rest) < end:
                break
            frame.parse_body(memoryview(self._rest[_HEAD_LENGTH:end]))
            self._rest = self._rest[end:]
            self._note(frame)
            found.append(frame)
        return found

    def answer(self, stream_id: int) -> Answer:
        return self.answers.setdefault(stream_id, Answer())

    def _note(self, frame: Frame) -> None:
        assert not isinstance(frame, ContinuationFrame)
        if isinstance(frame, RstStreamFrame):
            self.answer(frame.stream_id).reset = frame.error_code
        elif isinstance(frame, DataFrame | HeadersFrame):
            answer = self.answer(frame.stream_id)
            assert not answer.ended, f"a frame after the end: {frame}"
            answer.ended = "END_STREAM" in frame.flags
            if isinstance(frame, DataFrame):
                answer.data += frame.data
            else:
                fields = dict(self._decoder.decode(frame.data))
                if answer.headers:
                    answer.trailers = fields
                else:
                    answer.headers = fields
