"""Commands to a Redis Cluster, while slots move and masters die."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from ext_authz.redis.masters import Masters, open_masters
from ext_authz.redis_client import open_redis
from tests.integration.redis.cluster_site import ClusterSite
from tests.integration.redis.witness import DEADLINE, DEADLINE_AND_A_LITTLE, Crowd, ask
from tests.support.running import until_async
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.free_ports import FreePorts

PARTITION = 17
SCRIPT = "return ARGV[1]"
SCRIPT_SHA1 = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
NAME = f"tk:{{p{PARTITION}}}:thing"


@pytest.fixture
async def site(tmp_path: Path, ports: FreePorts) -> AsyncIterator[ClusterSite]:
    site = ClusterSite(tmp_path, ports)
    try:
        await site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture
async def masters(site: ClusterSite) -> AsyncIterator[Masters]:
    async with open_masters(
        site.url, timeout_seconds=DEADLINE, wait_seconds=5, scripts=[SCRIPT]
    ) as masters:
        yield masters


async def test_every_partition_is_asked_of_its_master(site: ClusterSite, masters: Masters) -> None:
    assert masters.places == {node.place for node in site.nodes}
    for partition in range(64):
        name = f"tk:{{p{partition}}}:thing"
        # With the script loaded everywhere.
        reply = await ask(masters, "EVALSHA", SCRIPT_SHA1, 1, name, partition, partition=partition)
        assert reply == b"%d" % partition
        assert await ask(masters, "SET", name, partition, partition=partition) == b"OK"
    async with Crowd(masters) as crowd:
        await crowd.until_answered_again()
    crowd.assert_all_heard(DEADLINE_AND_A_LITTLE)
    assert crowd.unanswered() == 0


async def test_a_slot_that_has_moved_is_followed_without_an_error(
    site: ClusterSite, masters: Masters
) -> None:
    assert await ask(masters, "SET", NAME, "there", partition=PARTITION) == b"OK"
    await site.move(PARTITION, site.others(PARTITION)[0])
    assert await ask(masters, "GET", NAME, partition=PARTITION) == b"there"


async def test_a_slot_on_its_way_is_asked_where_its_keys_are(
    site: ClusterSite, masters: Masters
) -> None:
    there = site.others(PARTITION)[0]
    other = NAME + ":2"
    for name in (NAME, other):
        assert await ask(masters, "SET", name, "there", partition=PARTITION) == b"OK"
    await site.begin_to_move(PARTITION, there)
    await site.move_keys(PARTITION, there, NAME.encode())
    assert await ask(masters, "GET", NAME, partition=PARTITION) == b"there"
    assert await ask(masters, "GET", other, partition=PARTITION) == b"there"
    # A script needs both keys in one place: it is not run at all.
    reply = await ask(masters, "EVALSHA", SCRIPT_SHA1, 2, NAME, other, 1, partition=PARTITION)
    assert isinstance(reply, str)
    assert reply.startswith("TRYAGAIN")
    await site.move_keys(PARTITION, there)
    await site.end_move(PARTITION, there)
    reply = await ask(masters, "EVALSHA", SCRIPT_SHA1, 2, NAME, other, 1, partition=PARTITION)
    assert reply == b"1"


async def test_slots_moving_under_load_mix_up_nothing(site: ClusterSite, masters: Masters) -> None:
    async with Crowd(masters) as crowd:
        await crowd.until_answered_again()
        for partition in range(12):
            await site.move(partition, site.others(partition)[partition % 2])
        await crowd.until_answered_again()
    crowd.assert_all_heard(DEADLINE_AND_A_LITTLE)
    # All nodes are known and each error says where the key is.
    assert crowd.unanswered() == 0


async def test_a_node_that_joins_is_found_when_it_gets_a_slot(
    site: ClusterSite, masters: Masters
) -> None:
    assert await ask(masters, "SET", NAME, "there", partition=PARTITION) == b"OK"
    node = await site.add_node()
    await site.meet()
    await site.move(PARTITION, node)

    async def found() -> bool:
        return await ask(masters, "GET", NAME, partition=PARTITION) == b"there"

    await until_async(found, 5)
    assert node.place in masters.places


async def test_a_dead_masters_replica_takes_over(site: ClusterSite, masters: Masters) -> None:
    master = site.owner(PARTITION)
    replica = await site.add_replica(master)

    async def follows() -> bool:
        return await ask(masters, "SET", NAME, "again", partition=PARTITION) == b"OK"

    async with Crowd(masters) as crowd:
        await crowd.until_answered_again()
        master.kill()
        await until_async(follows, 9)
        await crowd.until_answered_again()
    crowd.assert_all_heard(DEADLINE_AND_A_LITTLE)
    assert crowd.unanswered() > 0

    async def master_is_forgotten() -> bool:
        return replica.place in masters.places and master.place not in masters.places

    await until_async(master_is_forgotten, 5)


async def test_a_replica_that_takes_over_by_order_is_followed(
    site: ClusterSite, masters: Masters
) -> None:
    replica = await site.add_replica(site.owner(PARTITION))
    async with Crowd(masters) as crowd:
        await crowd.until_answered_again()
        async with replica.client() as redis:
            await redis.execute_command("CLUSTER FAILOVER")

        async def leads() -> bool:
            return replica.place in masters.places

        await until_async(leads, 5)
        await crowd.until_answered_again()
    crowd.assert_all_heard(DEADLINE_AND_A_LITTLE)
    assert await ask(masters, "SET", NAME, "again", partition=PARTITION) == b"OK"


async def test_a_cluster_that_lost_a_master_answers_nobody_and_comes_back(
    site: ClusterSite, masters: Masters
) -> None:
    other = next(number for number in range(64) if site.owner(number) != site.owner(PARTITION))
    site.owner(PARTITION).kill()
    reply = await ask(masters, "GET", NAME, partition=PARTITION)
    assert isinstance(reply, str)

    async def is_down() -> bool:
        reply = await ask(masters, "GET", f"tk:{{p{other}}}:thing", partition=other)
        return isinstance(reply, str) and reply.startswith("CLUSTERDOWN")

    await until_async(is_down, 5)
    await site.owner(PARTITION).start()

    async def is_back() -> bool:
        replies = await asyncio.gather(
            ask(masters, "GET", NAME, partition=PARTITION),
            ask(masters, "GET", f"tk:{{p{other}}}:thing", partition=other),
        )
        return replies == [None, None]

    await until_async(is_back, 8)


async def test_a_single_redis_is_no_cluster(redis_url: str) -> None:
    url = redis_url.replace("redis://", "redis+cluster://")
    with pytest.raises(OperatorError, match="cluster support disabled"):
        async with open_masters(url, timeout_seconds=1, wait_seconds=30, scripts=[]):
            pass


async def test_a_wrong_password_is_told_at_once(redis_url: str) -> None:
    url = redis_url.replace("redis://", "redis+cluster://").replace("secret", "mistaken")
    with pytest.raises(OperatorError, match="refuses") as caught:
        async with open_masters(url, timeout_seconds=1, wait_seconds=30, scripts=[]):
            pass
    assert "mistaken" not in str(caught.value)


async def test_the_courier_says_that_it_cannot_use_a_cluster() -> None:
    with pytest.raises(OperatorError, match="courier does not work with a Redis Cluster"):
        async with open_redis("redis+cluster://127.0.0.1:1", timeout_seconds=1, wait_seconds=1):
            pass
