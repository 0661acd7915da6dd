"""However an honest request is cut, padded or interleaved, it gets its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
)

from tests.integration.wire.in_memory import InMemory
from tests.integration.wire.peer import (
    block,
    call,
    data_frame,
    headers_frame,
    request_headers,
    serialized,
    wrap,
)
from tests.integration.wire.raw_client import RawClient

if TYPE_CHECKING:
    from tests.integration.wire.echo_process import EchoProcess

MESSAGE = bytes(range(256)) * 3


def padded(frame: Frame, length: int) -> Frame:
    frame.flags.add("PADDED")
    frame.pad_length = length  # type: ignore[attr-defined]
    return frame


def with_priority(frame: HeadersFrame) -> Frame:
    frame.flags.add("PRIORITY")
    frame.depends_on, frame.stream_weight, frame.exclusive = 0, 15, True
    return frame


def split_block(stream_id: int, size: int, *flags: str) -> list[Frame]:
    data = block(request_headers(), first=True)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    frames: list[Frame] = [HeadersFrame(stream_id, parts[0], flags=list(flags))]
    frames += [ContinuationFrame(stream_id, part) for part in parts[1:]]
    frames[-1].flags.add("END_HEADERS")
    return frames


BODY = wrap(MESSAGE)
# Of a type that no RFC has given a meaning.
UNKNOWN = b"\x00\x00\x07\xbe\xff\x00\x00\x00\x01unknown"
LAST = data_frame(1, BODY, "END_STREAM")
REQUESTS: dict[str, list[Frame | bytes]] = {
    "plain": call(1, MESSAGE),
    "data byte by byte": [
        headers_frame(1, request_headers()),
        *(data_frame(1, BODY[n : n + 1]) for n in range(len(BODY) - 1)),
        data_frame(1, BODY[-1:], "END_STREAM"),
    ],
    "an empty last frame": [
        headers_frame(1, request_headers()),
        data_frame(1, BODY),
        data_frame(1, b"", "END_STREAM"),
    ],
    "trailers": [
        headers_frame(1, request_headers()),
        data_frame(1, BODY),
        headers_frame(1, [("x-more", "1")], "END_STREAM"),
    ],
    "padded": [
        padded(headers_frame(1, request_headers()), 17),
        padded(data_frame(1, BODY[:99]), 255),
        padded(data_frame(1, BODY[99:], "END_STREAM"), 0),
    ],
    "priority": [
        PriorityFrame(1, depends_on=0, stream_weight=3),
        with_priority(HeadersFrame(1, block(request_headers(), first=True), flags=["END_HEADERS"])),
        LAST,
    ],
    "continuations of one byte": [*split_block(1, 1), LAST],
    "continuations of nine bytes": [*split_block(1, 9), LAST],
    "an empty continuation": [
        HeadersFrame(1, block(request_headers(), first=True)),
        ContinuationFrame(1, b"", flags=["END_HEADERS"]),
        LAST,
    ],
    "among other frames": [
        headers_frame(1, request_headers()),
        PingFrame(0, b"12345678"),
        data_frame(1, BODY[:7]),
        SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 70_000}),
        UNKNOWN,
        data_frame(1, BODY[7:], "END_STREAM"),
    ],
}


@pytest.mark.parametrize("request_frames", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("cut", [0, 1, 2, 8, 9, 10, 100])
async def test_request_is_answered_however_its_bytes_arrive(
    request_frames: list[Frame | bytes], cut: int
) -> None:
    peer = InMemory()
    await peer.send(*request_frames, cut=cut)
    assert peer.answer(1).message == MESSAGE
    assert (peer.answer(1).status, peer.answer(1).ended) == (0, True)
    assert peer.connection.idle


async def test_two_pieces_cut_anywhere_are_one_request() -> None:
    frames = serialized([*REQUESTS["padded"], *call(3, b"second")])
    for at in range(len(frames)):
        peer = InMemory()
        await peer.send(frames[:at])
        await peer.send(frames[at:])
        assert peer.answer(1).message == MESSAGE
        assert peer.answer(3).message == b"second"


@pytest.mark.parametrize("request_frames", REQUESTS.values(), ids=REQUESTS)
def test_request_is_answered_over_tcp_in_segments_of_one_byte(
    echo: EchoProcess, request_frames: list[Frame | bytes]
) -> None:
    with RawClient(echo.address) as client:
        client.send_in_segments(serialized(request_frames))
        assert client.answer(1).message == MESSAGE


async def test_many_calls_of_one_piece_are_all_answered() -> None:
    peer = InMemory()
    await peer.send(*(frame for n in range(1_500) for frame in call(2 * n + 1, b"%d" % n)))
    while not peer.answer(2_999).ended:
        await peer.turn()
    assert [peer.answer(2 * n + 1).message for n in range(1_500)] == [
        b"%d" % n for n in range(1_500)
    ]


async def test_a_ping_is_returned_and_settings_are_acknowledged() -> None:
    peer = InMemory()
    await peer.send(PingFrame(0, b"abcdefgh"), PingFrame(0, b"answered", flags=["ACK"]))
    assert [frame.opaque_data for frame in peer.seen(PingFrame)] == [b"abcdefgh"]
    acknowledged = [frame for frame in peer.seen(SettingsFrame) if "ACK" in frame.flags]
    assert len(acknowledged) == 1


MALFORMED: dict[str, list[tuple[str, str]]] = {
    "no path": [(":method", "POST"), (":scheme", "http")],
    "upper case": request_headers("Echo", ("X-Upper", "1")),
    "connection-specific": request_headers("Echo", ("connection", "close")),
    "pseudo-header last": request_headers("Echo", (":authority", "again")),
    "a new line in a value": request_headers("Echo", ("x-evil", "a\r\nb: c")),
    "space at the end": request_headers("Echo", ("x-space", "a ")),
    "length too long to read": request_headers("Echo", ("content-length", "9" * 5_000)),
    "length that differs": request_headers("Echo", ("content-length", "7")),
    "no timeout": request_headers("Echo", ("grpc-timeout", "soon")),
    "a timeout of nine digits": request_headers("Echo", ("grpc-timeout", "123456789S")),
}


@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_request_is_reset_and_the_next_is_answered(
    headers: list[tuple[str, str]],
) -> None:
    peer = InMemory()
    await peer.send(headers_frame(1, headers), LAST, *call(3, b"next"))
    assert peer.answer(1).reset is not None
    assert not peer.answer(1).headers
    assert peer.answer(3).message == b"next"
    assert peer.connection.idle


NOT_GRPC = [
    ("GET", "application/grpc", "405"),
    ("POST", "text/plain", "415"),
    ("POST", "application/grpcish", "415"),
]


@pytest.mark.parametrize(("method", "content_type", "status"), NOT_GRPC)
async def test_request_that_is_not_grpc_gets_a_status_of_http(
    method: str, content_type: str, status: str
) -> None:
    peer = InMemory()
    headers = dict(request_headers()) | {":method": method, "content-type": content_type}
    await peer.send(headers_frame(1, list(headers.items()), "END_STREAM"))
    assert peer.answer(1).headers[":status"] == status
    assert peer.answer(1).ended


async def test_oversized_metadata_is_refused_and_the_connection_goes_on() -> None:
    peer = InMemory()
    await peer.send(*call(1, b"first"))
    # 64 KB once decoded, a tenth of it as bytes.
    large = request_headers("Echo", *(("x-many", "a" * 100) for _ in range(600)))
    data = block(large)
    await peer.send(
        HeadersFrame(3, data[:16_000]),
        *(ContinuationFrame(3, data[at : at + 16_000]) for at in range(16_000, len(data), 16_000)),
        ContinuationFrame(3, b"", flags=["END_HEADERS"]),
        data_frame(3, wrap(b""), "END_STREAM"),
        *call(5, b"third"),
    )
    assert peer.answer(3).headers[":status"] == "431"
    assert peer.answer(5).message == b"third"


async def test_frame_of_a_stream_that_was_reset_by_the_caller_hurts_nobody() -> None:
    peer = InMemory()
    await peer.send(
        headers_frame(1, request_headers()),
        RstStreamFrame(1, 8),
        data_frame(1, BODY, "END_STREAM"),
        *call(3, b"next"),
    )
    assert peer.answer(3).message == b"next"
    assert not peer.seen(GoAwayFrame)
    assert peer.connection.idle
