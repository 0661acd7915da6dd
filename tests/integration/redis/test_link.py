"""The pipeline to one Redis, while that Redis is killed, frozen and paused."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import hiredis
import pytest

from ext_authz.redis.link import Link
from ext_authz.redis.masters import Masters, open_masters
from ext_authz.redis.pipeline import QUEUE_MAX
from ext_authz.redis.resp import command
from ext_authz.redis.url import RedisUrl
from tests.integration.redis.witness import (
    DEADLINE,
    DEADLINE_AND_A_LITTLE,
    Crowd,
    Witness,
    ask,
    until_connected,
)
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ext_authz.redis.place import Place
    from tests.integration.redis.redis_process import RedisProcess


@pytest.fixture
async def masters(own_redis: RedisProcess) -> AsyncIterator[Masters]:
    async with open_masters(
        own_redis.url, timeout_seconds=DEADLINE, wait_seconds=5, scripts=["return 'loaded'"]
    ) as masters:
        yield masters


async def connections_killed(redis: RedisProcess) -> None:
    async with redis.client() as client:
        for _ in range(3):
            await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.05)


async def paused(redis: RedisProcess) -> None:
    async with redis.client() as client:
        await client.client_pause(400)
    await asyncio.sleep(0.4)


async def paused_longer_than_a_connection_is_kept(redis: RedisProcess) -> None:
    async with redis.client() as client:
        await client.client_pause(1_500)
    await asyncio.sleep(1.5)


async def frozen(redis: RedisProcess) -> None:
    redis.freeze()
    await asyncio.sleep(0.4)
    redis.thaw()


async def frozen_longer_than_a_connection_is_kept(redis: RedisProcess) -> None:
    redis.freeze()
    await asyncio.sleep(1.5)
    redis.thaw()


async def killed_and_started_again(redis: RedisProcess) -> None:
    redis.kill()
    await redis.start()


BREAKS = [
    connections_killed,
    paused,
    paused_longer_than_a_connection_is_kept,
    frozen,
    frozen_longer_than_a_connection_is_kept,
    killed_and_started_again,
]


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda each: each.__name__)
async def test_everybody_hears_once_and_in_time_and_never_anothers_answer(
    own_redis: RedisProcess,
    masters: Masters,
    break_it: Callable[[RedisProcess], Awaitable[None]],
) -> None:
    async with Crowd(masters) as crowd:
        await crowd.until_answered_again()
        await break_it(own_redis)
        await crowd.until_answered_again()
    crowd.assert_all_heard(DEADLINE_AND_A_LITTLE)
    assert crowd.unanswered() > 0


async def test_no_more_wait_than_can_be_answered(own_redis: RedisProcess, masters: Masters) -> None:
    own_redis.freeze()
    witnesses = [Witness() for _ in range(QUEUE_MAX + 10)]
    for witness in witnesses:
        masters.send(command("PING"), witness, 0)
    refused = [witness for witness in witnesses if witness.told == ["too many commands wait"]]
    assert 10 <= len(refused) < 20
    await asyncio.wait_for(asyncio.gather(*(witness.done.wait() for witness in witnesses)), 5)
    own_redis.thaw()


async def test_a_silent_connection_is_found_dead_though_nobody_asks(
    own_redis: RedisProcess, masters: Masters
) -> None:
    own_redis.freeze()
    begun = time.monotonic()
    while masters.connected:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.02)
    assert time.monotonic() - begun < 2.5
    assert await ask(masters, "PING") == "not connected"
    own_redis.thaw()
    await until_connected(masters)
    assert await ask(masters, "PING") == b"PONG"


async def test_scripts_are_loaded_again_with_each_connection(
    own_redis: RedisProcess, masters: Masters
) -> None:
    async with own_redis.client() as client:
        sha1 = await client.script_load("return 'loaded'")
    assert await ask(masters, "EVALSHA", sha1, 0) == b"loaded"
    own_redis.kill()
    await own_redis.start()
    await until_connected(masters)
    assert await ask(masters, "EVALSHA", sha1, 0) == b"loaded"


async def test_one_askers_mistake_costs_the_others_nothing(masters: Masters) -> None:
    class Clumsy(Witness):
        def replied(self, reply: object) -> None:
            raise RuntimeError(reply)

        def unanswered(self, why: str) -> None:
            super().unanswered(why)
            raise RuntimeError(why)

    clumsy, other = Clumsy(), Witness()
    masters.send(command("PING"), clumsy, 0)
    masters.send(command("PING"), other, 0)
    await asyncio.wait_for(other.done.wait(), 5)
    assert (clumsy.told, other.told) == (["not understood"], [b"PONG"])


async def test_a_replica_is_no_master(
    own_redis: RedisProcess, masters: Masters, free_port: int
) -> None:
    async with own_redis.client() as client:
        await client.execute_command("REPLICAOF", "127.0.0.1", free_port)
        reply = await ask(masters, "SET", "tk:x", 1)
        assert isinstance(reply, hiredis.ReplyError)
        async with asyncio.timeout(5):
            while masters.trouble != "it is a replica":  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.02)
        assert await ask(masters, "PING") == "not connected"
        await client.execute_command("REPLICAOF", "NO", "ONE")
    await until_connected(masters)
    assert await ask(masters, "SET", "tk:x", 1) == b"OK"


async def test_a_master_that_was_replaced_is_left_though_it_answers(
    own_redis: RedisProcess, closed_redis: RedisProcess
) -> None:
    """It was cut off from the Sentinels, not from us."""
    named = own_redis.place

    async def find() -> Place:
        return named

    url = RedisUrl.parse(f"redis://:secret@{own_redis.place}")
    async with own_redis.client() as client:
        await client.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
    async with Link(url, find, timeout_seconds=DEADLINE, scripts=[]) as link:
        await link.ready()
        changes: list[frozenset[Place]] = []
        link.on_change(lambda: changes.append(link.places))
        named = closed_redis.place
        async with asyncio.timeout(2):
            while closed_redis.place not in link.places:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.02)
        assert await ask(link, "PING") == b"PONG"
        assert changes[-1] == {closed_redis.place}


def formed(url: str, server: RedisProcess) -> str:
    return url.format(place=server.place, socket=server.folder.parent / "redis.sock")


@pytest.mark.parametrize(
    "url",
    [
        "redis://{place}",
        "redis://{place}/3",
        "redis://gate:right@{place}/0",
        "unix://{socket}?db=2",
        "unix://gate:right@{socket}",
    ],
)
async def test_every_form_of_address_leads_to_redis(own_redis: RedisProcess, url: str) -> None:
    async with open_masters(
        formed(url, own_redis), timeout_seconds=1, wait_seconds=5, scripts=[]
    ) as masters:
        assert await ask(masters, "SET", "tk:here", url) == b"OK"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://gate:wrong@{place}/0", "WRONGPASS"),
        ("redis://:wrong@{place}/0", "AUTH"),
        ("redis://nobody:right@{place}/0", "WRONGPASS"),
        ("redis://guest:right@{place}/0", "NOPERM"),
        ("redis://{place}/99", "out of range"),
    ],
)
async def test_whom_redis_refuses_is_told_at_once(
    own_redis: RedisProcess, url: str, says: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(OperatorError, match=says) as caught:
        async with open_masters(
            formed(url, own_redis), timeout_seconds=1, wait_seconds=30, scripts=["return 1"]
        ):
            pass
    assert str(caught.value).startswith(f"Redis at {own_redis.place} refuses")
    assert "right" not in str(caught.value)
    assert time.monotonic() - begun < 5


async def test_a_password_that_is_asked_for_and_not_given_is_told_at_once(
    closed_redis: RedisProcess,
) -> None:
    with pytest.raises(OperatorError, match="NOAUTH"):
        async with open_masters(
            closed_redis.url, timeout_seconds=1, wait_seconds=30, scripts=["return 1"]
        ):
            pass
