"""What a stock gRPC client expects of any server, it gets from ours."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from grpc import Compression, StatusCode

from ext_authz.wire.limits import MESSAGE_BYTES_MAX
from ext_authz.wire.server import serve_wire
from tests.integration.wire.callers import Caller, Outcome, calling
from tests.integration.wire.echo import SERVICE, Echo, path
from tests.integration.wire.peer import data_frame, headers_frame, request_headers
from tests.integration.wire.raw_client import RawClient
from tests.support.running import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.integration.wire.echo_process import EchoProcess


@pytest.fixture(params=[True, False], ids=["sync", "aio"])
async def caller(request: pytest.FixtureRequest, echo: EchoProcess) -> AsyncIterator[Caller]:
    async with calling(echo.address, is_sync=request.param) as caller:
        yield caller


@pytest.mark.parametrize(
    "size", [0, 1, 16_379, 16_380, 65_536, MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX]
)
async def test_messages_up_to_the_limit_come_back(caller: Caller, size: int) -> None:
    message = b"0123456789abcdef" * (size // 16 + 1)
    assert await caller.call("Echo", message[:size]) == Outcome(StatusCode.OK, message[:size])


async def test_message_beyond_the_limit_is_refused_and_the_next_call_answered(
    caller: Caller,
) -> None:
    for size in (MESSAGE_BYTES_MAX + 1, 3 * MESSAGE_BYTES_MAX):
        outcome = await caller.call("Echo", b"x" * size)
        assert outcome.code is StatusCode.RESOURCE_EXHAUSTED
        assert outcome.details == f"a message has at most {MESSAGE_BYTES_MAX} bytes"
    assert (await caller.call("Echo", b"next")).message == b"next"


async def test_many_calls_at_once_each_get_their_own_answer(caller: Caller) -> None:
    messages = [b"%d" % number * 50 for number in range(300)]
    outcomes = await asyncio.gather(*(caller.call("Echo", message) for message in messages))
    assert [outcome.message for outcome in outcomes] == messages


async def test_many_channels_are_served_side_by_side(echo: EchoProcess) -> None:
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(calling(echo.address, is_sync=False)) for _ in range(60)
        ]
        messages = [b"%d" % number for number in range(600)]
        outcomes = await asyncio.gather(
            *(
                callers[number % 60].call("Later", message)
                for number, message in enumerate(messages)
            )
        )
    assert [outcome.message for outcome in outcomes] == messages


async def test_deadline_shorter_than_the_answer_ends_the_call(caller: Caller) -> None:
    outcome = await caller.call("Hold", timeout=0.05)
    assert outcome.code is StatusCode.DEADLINE_EXCEEDED
    assert (await caller.call("Release")).code is StatusCode.OK
    assert (await caller.call("Echo", b"next")).message == b"next"


async def test_call_that_is_cancelled_leaves_nothing_behind(echo: EchoProcess) -> None:
    async with calling(echo.address, is_sync=False) as caller:
        before = int((await caller.call("Count")).message)
        asking = asyncio.ensure_future(caller.call("Hold", b"never seen"))

        async def arrived() -> bool:
            return int((await caller.call("Count")).message) > before

        await until_async(arrived, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await caller.call("Release")).message == b"1"
        assert (await caller.call("Echo", b"next")).message == b"next"


@pytest.mark.parametrize(
    "metadata",
    [
        [("x-large", "v" * 30_000)],
        [("x-bytes-bin", bytes(range(256)) * 10)],
        [(f"x-{number}", str(number)) for number in range(50)],
        [("x-same", "1"), ("x-same", "2")],
        [("x-text", "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~")],
    ],
    ids=["large", "binary", "many", "repeated", "punctuation"],
)
async def test_metadata_of_any_kind_is_taken(
    caller: Caller, metadata: list[tuple[str, str | bytes]]
) -> None:
    for _ in range(3):
        outcome = await caller.call("Echo", b"asked", metadata=metadata)
        assert outcome == Outcome(StatusCode.OK, b"asked")


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
async def test_errors_arrive_with_their_details(caller: Caller, code: StatusCode) -> None:
    details = 'naïve: 100 % "не знаю" ☃ 🧾\n\tsecond line'
    outcome = await caller.call("Fail", f"{code.value[0]} {details}".encode())
    assert outcome == Outcome(code, details=details)


async def test_method_that_does_not_exist_is_unimplemented(caller: Caller) -> None:
    outcome = await caller.call("Guess")
    assert outcome.code is StatusCode.UNIMPLEMENTED
    assert outcome.details == f"no such method: {path('Guess')}"


async def test_stream_of_one_message_is_a_unary_call_and_any_other_is_refused(
    caller: Caller,
) -> None:
    assert await caller.stream("Echo", [b"one"]) == Outcome(StatusCode.OK, b"one")
    for messages in ([], [b"one", b"two"]):
        assert (await caller.stream("Echo", messages)).code is StatusCode.UNIMPLEMENTED


async def test_compressed_message_is_unimplemented(caller: Caller) -> None:
    outcome = await caller.call("Echo", b"a" * 10_000, compression=Compression.Gzip)
    assert outcome.code is StatusCode.UNIMPLEMENTED
    assert (await caller.call("Echo", b"plain")).message == b"plain"


def test_refusal_of_compression_says_what_is_accepted(echo: EchoProcess) -> None:
    with RawClient(echo.address) as client:
        client.send(
            headers_frame(1, request_headers("Echo", ("grpc-encoding", "gzip"))),
            data_frame(1, b"\x01\x00\x00\x00\x03abc", "END_STREAM"),
        )
        assert client.answer(1).status == StatusCode.UNIMPLEMENTED.value[0]
        assert client.answer(1).headers["grpc-accept-encoding"] == "identity"


async def test_keepalive_pings_keep_a_quiet_connection(echo: EchoProcess) -> None:
    options = [
        ("grpc.keepalive_time_ms", 20),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    async with calling(echo.address, is_sync=False, options=options) as caller:
        assert (await caller.call("Later", b"300")).message == b"300"
        assert (await caller.call("Echo", b"next")).message == b"next"


async def test_drain_of_one_server_loses_no_call(
    free_ports: Callable[[int], list[int]],
) -> None:
    first, second = (f"127.0.0.1:{port}" for port in free_ports(2))
    failures: list[Outcome] = []
    answered = 0
    stop = asyncio.Event()

    async def keep_calling(caller: Caller) -> None:
        nonlocal answered
        while not stop.is_set():
            outcome = await caller.call("Later", b"3")
            answered += 1
            if outcome.code is not StatusCode.OK:
                failures.append(outcome)

    async def answered_more(than: int) -> bool:
        return answered > than

    async with (
        serve_wire(second, Echo().methods, [SERVICE], drain_timeout_seconds=5),
        calling(
            f"ipv4:{first},{second}",
            is_sync=False,
            options=[("grpc.lb_policy_name", "round_robin")],
        ) as caller,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(4):
            async with serve_wire(first, Echo().methods, [SERVICE], drain_timeout_seconds=5):
                if answered == 0:
                    for _ in range(32):
                        group.create_task(keep_calling(caller))
                enough = answered + 300
                await until_async(lambda enough=enough: answered_more(enough), 20)
        stop.set()
    assert failures == []
