"""How calls and connections end: answered, hung up, drained, or out of patience."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hyperframe.frame import (
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from ext_authz.wire import limits
from ext_authz.wire.frames import ErrorCode
from tests.integration.wire.in_memory import InMemory
from tests.integration.wire.peer import (
    PREFACE,
    call,
    data_frame,
    greeting,
    headers_frame,
    request_headers,
    serialized,
    wrap,
)
from tests.integration.wire.raw_client import RawClient, connect

if TYPE_CHECKING:
    from tests.integration.wire.echo_process import EchoProcess

DEADLINE_EXCEEDED = 4
CANCEL = 8


def with_timeout(timeout: str, method: str = "Echo", stream_id: int = 1) -> Frame:
    return headers_frame(stream_id, request_headers(method, ("grpc-timeout", timeout)))


async def pass_time(peer: InMemory, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        await peer.turn()


async def test_call_whose_deadline_has_passed_reaches_no_handler() -> None:
    peer = InMemory()
    await peer.send(
        with_timeout("0S"),
        data_frame(1, wrap(b"late"), "END_STREAM"),
        with_timeout("1m", stream_id=3),
    )
    await pass_time(peer, 0.002)
    await peer.send(data_frame(3, wrap(b"late"), "END_STREAM"), *call(5, method="Count"))
    assert peer.answer(1).status == peer.answer(3).status == DEADLINE_EXCEEDED
    assert peer.answer(5).message == b"0"


async def test_answer_after_the_deadline_is_an_error() -> None:
    peer = InMemory()
    await peer.send(with_timeout("1m", "Hold"), data_frame(1, wrap(b"verdict"), "END_STREAM"))
    await pass_time(peer, 0.002)
    await peer.send(*call(3, method="Release"))
    assert peer.answer(1).status == DEADLINE_EXCEEDED
    assert not peer.answer(1).data


async def test_caller_that_hangs_up_gets_nothing_more() -> None:
    peer = InMemory()
    await peer.send(*call(1, method="Hold"), RstStreamFrame(1, CANCEL))
    assert not peer.connection.idle
    await peer.send(*call(3, method="Release"))
    assert peer.answer(3).message == b"1"
    assert not peer.answer(1).headers
    assert peer.connection.idle


async def test_calls_that_were_reset_count_until_their_handlers_are_done() -> None:
    peer = InMemory()
    for number in range(limits.CONCURRENT_STREAMS_MAX):
        stream_id = 2 * number + 1
        await peer.send(*call(stream_id, method="Hold"), RstStreamFrame(stream_id, CANCEL))
    await peer.send(*call(5_001, b"one too many"))
    assert peer.answer(5_001).reset == ErrorCode.REFUSED_STREAM
    other = InMemory()
    await other.send(*call(1, b"elsewhere"))
    assert other.answer(1).message == b"elsewhere"


async def test_room_is_free_again_when_handlers_of_reset_calls_are_done() -> None:
    peer = InMemory()
    for number in range(limits.CONCURRENT_STREAMS_MAX - 1):
        stream_id = 2 * number + 1
        await peer.send(*call(stream_id, method="Hold"), RstStreamFrame(stream_id, CANCEL))
    await peer.send(*call(5_001, method="Release"), *call(5_003, b"room"))
    assert peer.answer(5_003).message == b"room"
    assert peer.connection.idle


async def test_half_closed_peer_gets_what_it_has_asked_for() -> None:
    peer = InMemory()
    await peer.send(*call(1, b"asked", method="Hold"), headers_frame(3, request_headers()))
    other = InMemory(peer.connection._methods)  # noqa: SLF001 - another connection to one server
    assert peer.connection.eof_received()
    await other.send(*call(1, method="Release"))
    await peer.turn()
    assert peer.answer(1).message == b"asked"
    assert peer.closed


async def test_half_closed_peer_with_nothing_to_come_is_closed() -> None:
    peer = InMemory()
    await peer.send(headers_frame(1, request_headers()))
    assert not peer.connection.eof_received()
    assert peer.connection.idle


def test_half_closed_peer_is_answered_over_tcp(echo: EchoProcess) -> None:
    with RawClient(echo.address) as client:
        client.send(*call(1, b"30", method="Later"))
        client.half_close()
        assert client.answer(1).message == b"30"
        client.until_closed()


async def test_drained_connection_answers_what_it_took_and_ignores_what_came_too_late() -> None:
    peer = InMemory()
    await peer.send(*call(1, b"taken", method="Hold"))
    peer.connection.announce_drain()
    await peer.send(*call(3, b"taken too", method="Hold"))
    peer.connection.drain()
    # Sent before the peer could have heard.
    late = [*call(5, b"late"), RstStreamFrame(5, CANCEL), *call(7, b"late")]
    await peer.send(*late, WindowUpdateFrame(7, window_increment=1), PingFrame(0, b"12345678"))
    assert not peer.closed
    assert peer.seen(PingFrame)
    other = InMemory(peer.connection._methods)  # noqa: SLF001 - another connection to one server
    await other.send(*call(1, method="Release"))
    await peer.turn()
    assert (peer.answer(1).message, peer.answer(3).message) == (b"taken", b"taken too")
    assert [frame.last_stream_id for frame in peer.seen(GoAwayFrame)] == [2**31 - 1, 3]
    assert not peer.answer(5).headers
    assert not peer.answer(7).headers
    assert peer.closed


async def test_peer_that_says_goaway_may_finish() -> None:
    peer = InMemory()
    await peer.send(*call(1, b"begun", method="Hold"), GoAwayFrame(0))
    await peer.send(*call(3, method="Release"))
    assert peer.answer(1).message == b"begun"
    assert peer.closed


def test_stopped_server_answers_what_it_took_and_ends(own_echo: EchoProcess) -> None:
    with RawClient(own_echo.address) as client:
        client.send(*call(1, b"100", method="Later"))
        client.send(*call(3, b"sync"))
        client.answer(3)
        own_echo.stop()
        assert client.answer(1).message == b"100"
        client.until_closed()
    assert own_echo.wait() == 0


async def test_answer_to_a_connection_that_is_lost_goes_nowhere() -> None:
    peer = InMemory()
    await peer.send(*call(1, method="Hold"))
    peer.connection.connection_lost(ConnectionResetError())
    assert not peer.connections
    other = InMemory(peer.connection._methods)  # noqa: SLF001 - another connection to one server
    await other.send(*call(1, method="Release"))
    assert other.answer(1).message == b"1"
    assert peer.connection.idle


UNFINISHED: dict[str, bytes] = {
    "nothing": b"",
    "preface": PREFACE[:10],
    "no settings": PREFACE,
    "frame header": greeting() + b"\x00\x00",
    "frame": greeting() + b"\x00\x10\x00\x01\x04\x00\x00\x00\x01abc",
    "header block": greeting() + HeadersFrame(1, b"").serialize(),
}


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
async def test_peer_that_does_not_finish_is_disconnected(data: bytes) -> None:
    peer = InMemory()
    await peer.send_raw(data)
    peer.connection.check(_later(0.9))
    assert not peer.closed
    peer.connection.check(_later(1.1))
    assert peer.transport.aborted


async def test_bytes_that_finish_nothing_buy_no_time() -> None:
    peer = InMemory()
    await peer.send_raw(UNFINISHED["frame"])
    await pass_time(peer, 0.01)
    await peer.send_raw(b"more")
    peer.connection.check(_later(1.0) - 0.005)
    assert peer.transport.aborted


async def test_peer_that_does_not_read_is_disconnected() -> None:
    peer = InMemory()
    await peer.send(*call(1))
    peer.connection.pause_writing()
    assert not peer.transport.reading
    peer.connection.check(_later(1.1))
    assert peer.transport.aborted


async def test_peer_that_reads_again_is_heard_again() -> None:
    peer = InMemory()
    await peer.send(*call(1))
    peer.connection.pause_writing()
    peer.connection.resume_writing()
    peer.connection.check(_later(1.1))
    await peer.send(*call(3, b"on"))
    assert peer.answer(3).message == b"on"


async def test_peer_that_opens_no_window_is_disconnected() -> None:
    peer = InMemory(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    await peer.send(*call(1))
    peer.connection.check(_later(1.1))
    assert peer.transport.aborted


async def test_request_that_does_not_end_is_reset_and_the_others_stay() -> None:
    peer = InMemory()
    await peer.send(headers_frame(1, request_headers()), *call(3, b"waits", method="Hold"))
    now = asyncio.get_running_loop().time()
    for seconds in (0, 5, 9, 11):
        peer.connection.check(now + seconds)
    await peer.send(*call(5, method="Release"))
    assert peer.answer(1).reset == ErrorCode.CANCEL
    assert peer.answer(3).message == b"waits"


async def test_unfinished_request_ends_at_its_deadline() -> None:
    peer = InMemory()
    await peer.send(with_timeout("1S"))
    peer.connection.check(asyncio.get_running_loop().time() + 1.5)
    await peer.turn()
    assert peer.answer(1).reset == ErrorCode.CANCEL
    assert peer.connection.idle


async def test_idle_peer_is_left_alone() -> None:
    peer = InMemory()
    await peer.send(*call(1))
    peer.connection.check(_later(1_000))
    await peer.send(*call(3, b"still there"))
    assert peer.answer(3).message == b"still there"


def test_peer_that_speaks_something_else_is_told_and_cut_off(echo: EchoProcess) -> None:
    with connect(echo.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        received = b""
        while data := connection.recv(65_536):
            received += data
    assert received.endswith(b"not HTTP/2")


def test_breach_of_one_connection_is_not_felt_on_another(echo: EchoProcess) -> None:
    with RawClient(echo.address) as honest, RawClient(echo.address) as hostile:
        honest.send(*call(1, b"50", method="Later"))
        hostile.send(serialized([data_frame(9, b"on an idle stream")]))
        hostile.until_closed()
        assert hostile.seen(GoAwayFrame)
        assert honest.answer(1).message == b"50"


def _later(share: float) -> float:
    return asyncio.get_running_loop().time() + share * limits.STALLED_SECONDS_MAX
