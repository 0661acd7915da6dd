"""The link follows the master that Sentinels name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from ext_authz.redis.masters import Masters, open_masters
from ext_authz.redis_client import open_redis
from tests.integration.redis.sentinel_site import SentinelSite
from tests.integration.redis.witness import DEADLINE, DEADLINE_AND_A_LITTLE, Crowd, ask
from tests.support.running import until_async
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


@pytest.fixture
async def site(
    tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> AsyncIterator[SentinelSite]:
    site = SentinelSite(tmp_path, free_ports)
    try:
        await site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture
async def masters(site: SentinelSite) -> AsyncIterator[Masters]:
    async with open_masters(
        site.url, timeout_seconds=DEADLINE, wait_seconds=5, scripts=["return 1"]
    ) as masters:
        yield masters


async def the_master_dies(site: SentinelSite) -> None:
    site.master.kill()


async def the_master_freezes(site: SentinelSite) -> None:
    site.master.freeze()


async def a_failover_is_ordered(site: SentinelSite) -> None:
    await site.order_failover()


@pytest.mark.parametrize(
    "happens",
    [the_master_dies, the_master_freezes, a_failover_is_ordered],
    ids=lambda each: each.__name__,
)
async def test_after_a_failover_commands_go_to_the_new_master(
    site: SentinelSite, masters: Masters, happens: Callable[[SentinelSite], Awaitable[None]]
) -> None:
    assert masters.places == {site.master.place}

    async def follows() -> bool:
        return masters.places == {site.replica.place} and masters.connected

    async with (
        open_redis(site.url, timeout_seconds=1, wait_seconds=5) as redis,
        Crowd(masters) as crowd,
    ):
        await crowd.until_answered_again()
        await happens(site)
        await until_async(follows, 9)
        await crowd.until_answered_again()
        assert await ask(masters, "SET", "tk:after", "failover") == b"OK"

        async def client_follows() -> bool:
            try:
                return await redis.get("tk:after") == b"failover"
            except RedisError:
                return False

        await until_async(client_follows, 5)
    crowd.assert_all_heard(DEADLINE_AND_A_LITTLE)
    assert crowd.unanswered() > 0


async def test_sentinels_that_know_no_such_service_are_told_of_at_start(
    site: SentinelSite,
) -> None:
    url = site.url.replace("/tolls/", "/nothing/")
    with pytest.raises(OperatorError, match="no Sentinel names a master 'nothing'"):
        async with open_masters(url, timeout_seconds=1, wait_seconds=0.5, scripts=[]):
            pass
