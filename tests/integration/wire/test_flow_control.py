"""Windows, both ways: nothing is sent beyond them, nothing is lost because of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from ext_authz.wire import limits
from ext_authz.wire.frames import DEFAULT_WINDOW, ErrorCode
from ext_authz.wire.held_bytes import HeldBytes
from tests.integration.wire.in_memory import InMemory
from tests.integration.wire.peer import call, data_frame, headers_frame, request_headers, wrap
from tests.integration.wire.raw_client import RawClient

if TYPE_CHECKING:
    from tests.integration.wire.echo_process import EchoProcess

MESSAGE = bytes(range(250)) * 2
WINDOW = SettingsFrame.INITIAL_WINDOW_SIZE
LARGEST = b"x" * limits.MESSAGE_BYTES_MAX
RESOURCE_EXHAUSTED = 8


def update(stream_id: int, increment: int) -> Frame:
    return WindowUpdateFrame(stream_id, window_increment=increment)


def large_call(stream_id: int, message: bytes, *flags: str) -> list[Frame]:
    body = wrap(message)
    parts = [body[start : start + 16_384] for start in range(0, len(body), 16_384)]
    return [
        headers_frame(stream_id, request_headers()),
        *(data_frame(stream_id, part) for part in parts[:-1]),
        data_frame(stream_id, parts[-1], *flags),
    ]


@pytest.mark.parametrize("window", [0, 1, 4, 5, 6, 504])
@pytest.mark.parametrize("increment", [1, 7, 1_000])
async def test_answer_keeps_to_the_streams_window_and_arrives_whole(
    window: int, increment: int
) -> None:
    peer = InMemory(settings={WINDOW: window})
    await peer.send(*call(1, MESSAGE))
    granted = window
    while not peer.answer(1).ended:
        assert len(peer.answer(1).data) == granted
        await peer.send(update(1, increment))
        granted += increment
    assert peer.answer(1).message == MESSAGE
    assert peer.connection.idle


def test_answer_waits_for_a_window_over_tcp(echo: EchoProcess) -> None:
    with RawClient(echo.address, {WINDOW: 0}) as client:
        client.send(*call(1, MESSAGE))
        for _ in range(len(MESSAGE) + 5):
            client.send(update(1, 1))
        assert client.answer(1).message == MESSAGE
        assert {len(frame.data) for frame in client.seen(DataFrame)} == {1}


async def test_answers_wait_for_the_connections_window_and_share_it() -> None:
    peer = InMemory()
    calls = range(1, 401, 2)
    await peer.send(*(frame for number in calls for frame in call(number, MESSAGE)))

    def received() -> int:
        return sum(len(peer.answer(number).data) for number in calls)

    assert received() == DEFAULT_WINDOW
    assert not peer.connection.idle
    await peer.send(update(0, 1_000))
    assert received() == DEFAULT_WINDOW + 1_000
    await peer.send(update(0, 1_000_000))
    assert [peer.answer(number).message for number in calls] == [MESSAGE] * 200
    assert peer.connection.idle


async def test_stream_without_window_does_not_hold_up_the_others() -> None:
    peer = InMemory(settings={WINDOW: 0})
    await peer.send(*call(1, MESSAGE), *call(3, MESSAGE), *call(5, MESSAGE), update(3, 1_000))
    assert peer.answer(3).message == MESSAGE
    assert not peer.answer(1).data
    await peer.send(SettingsFrame(0, {WINDOW: 1_000}))
    assert peer.answer(1).message == peer.answer(5).message == MESSAGE


async def test_new_setting_changes_windows_of_open_streams_even_below_zero() -> None:
    peer = InMemory(settings={WINDOW: 100})
    await peer.send(*call(1, MESSAGE))
    assert len(peer.answer(1).data) == 100
    # 100 less than before, which were sent already: 60 to go to zero, 70 to go on by ten.
    await peer.send(SettingsFrame(0, {WINDOW: 40}), update(1, 60))
    assert len(peer.answer(1).data) == 100
    await peer.send(update(1, 10))
    assert len(peer.answer(1).data) == 110
    await peer.send(SettingsFrame(0, {WINDOW: 65_535}))
    assert peer.answer(1).message == MESSAGE


async def test_frames_are_no_larger_than_the_peer_takes_them() -> None:
    peer = InMemory(settings={WINDOW: 2**20})
    await peer.send(update(0, 2**20), *large_call(1, b"y" * 100_000, "END_STREAM"))
    assert max(len(frame.data) for frame in peer.seen(DataFrame)) == 16_384
    await peer.send(SettingsFrame(0, {SettingsFrame.MAX_FRAME_SIZE: 40_000}))
    await peer.send(*large_call(3, b"y" * 100_000, "END_STREAM"))
    assert max(len(frame.data) for frame in peer.seen(DataFrame)) == 40_000
    assert peer.answer(3).message == b"y" * 100_000


async def test_stream_whose_window_overflows_is_reset() -> None:
    peer = InMemory(settings={WINDOW: 0})
    await peer.send(*call(1, MESSAGE), update(1, 2**31 - 1), *call(3), update(3, 1))
    assert peer.answer(1).ended
    await peer.send(*call(5), update(5, 2**30), *call(7, MESSAGE))
    await peer.send(update(7, 0))
    assert peer.answer(7).reset == ErrorCode.PROTOCOL_ERROR
    assert not peer.closed


@pytest.mark.parametrize(
    "frames",
    [
        [update(0, 2**31 - 1)],
        [*call(1, MESSAGE), SettingsFrame(0, {WINDOW: 2**31 - 1}), update(0, 2**31 - 1)],
        [SettingsFrame(0, {WINDOW: 2**31})],
    ],
    ids=["connection", "after a setting", "setting"],
)
async def test_overflow_of_a_window_ends_the_connection(frames: list[Frame]) -> None:
    peer = InMemory(settings={WINDOW: 0})
    await peer.send(*frames)
    assert peer.seen(GoAwayFrame)[0].error_code == ErrorCode.FLOW_CONTROL_ERROR
    assert peer.closed


async def test_server_grants_as_much_as_it_was_sent() -> None:
    peer = InMemory(settings={WINDOW: 2**20 + 5})
    window = DEFAULT_WINDOW
    seen = 0
    for number in range(24):
        stream_id = 2 * number + 1
        await peer.send(update(0, 2**20 + 5), *large_call(stream_id, LARGEST, "END_STREAM"))
        updates = peer.seen(WindowUpdateFrame)
        window += sum(frame.window_increment for frame in updates[seen:]) - len(LARGEST) - 5
        seen = len(updates)
        assert window > 2**20
        assert peer.answer(stream_id).message == LARGEST
    assert peer.connection.idle


async def test_peer_that_sends_beyond_its_streams_window_is_cut_off() -> None:
    peer = InMemory()
    frame = DataFrame(1, b"x", pad_length=255, flags=["PADDED"]).serialize()
    await peer.send(headers_frame(1, request_headers()))
    for _ in range(limits.STREAM_WINDOW // 257 // 100 + 1):
        await peer.send(frame * 100)
    assert peer.seen(GoAwayFrame)[0].error_code == ErrorCode.FLOW_CONTROL_ERROR


async def test_message_beyond_the_limit_is_refused_before_its_end() -> None:
    peer = InMemory(settings={WINDOW: 2**21})
    await peer.send(update(0, 2**21), *large_call(1, LARGEST, "END_STREAM"))
    assert peer.answer(1).message == LARGEST
    # The caller goes on for a while, as it has not heard yet.
    await peer.send(*large_call(3, LARGEST + b"x" * 100_000), *call(5, b"next"))
    assert peer.answer(3).status == RESOURCE_EXHAUSTED
    resets = [frame for frame in peer.seen(RstStreamFrame) if frame.stream_id == 3]
    assert resets[0].error_code == ErrorCode.NO_ERROR
    assert peer.answer(5).message == b"next"
    assert peer.connection.idle


async def test_unfinished_messages_hold_a_bounded_memory() -> None:
    before = HeldBytes.total
    peer = InMemory()
    for number in range(20):
        await peer.send(*large_call(2 * number + 1, LARGEST[:-100]))
    refused = [n for n in range(20) if peer.answer(2 * n + 1).ended]
    assert len(refused) == 4
    assert peer.answer(2 * refused[0] + 1).status == RESOURCE_EXHAUSTED
    assert HeldBytes.total - before <= limits.HELD_BYTES_MAX_OF_CONNECTION
    await peer.send(*call(41, b"an ordinary one"), RstStreamFrame(1, 8))
    assert peer.answer(41).message == b"an ordinary one"
    assert HeldBytes.total - before == 15 * (len(LARGEST) - 95)
    peer.connection.connection_lost(None)
    assert HeldBytes.total == before
