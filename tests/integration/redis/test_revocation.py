"""A revoked key stops within a second, whatever happens to the connections."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.cluster import RedisCluster

from ext_authz import keyspace
from ext_authz.keyspace import CHANGES
from tests.integration.redis.cluster_site import ClusterSite
from tests.integration.redis.gate_at_work import gate_at_work
from tests.support.frozen_gate import PARTITION, TENANT, FrozenGate, Limits
from tests.support.relay import relay_to
from tests.support.running import until_async
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status
from tollkeeper.credential import mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.integration.redis.redis_process import RedisProcess
    from tests.support.free_ports import FreePorts

PROMISE_SECONDS = 1.0
KEY = mint("test", PARTITION)
PLENTY = Limits(
    burst_interval=1, burst_capacity=1_000_000, rate_per_minute=10_000_000, limit=-1, included=-1
)


class Policies:
    """What the courier would write."""

    def __init__(self, redis: Redis) -> None:
        self._gate = FrozenGate(redis)
        self._gate.configure(PLENTY)
        self._key(Status.STATUS_ACTIVE)

    def revoke(self) -> float:
        """When it was certainly done."""
        self._key(Status.STATUS_REVOKED)
        return time.monotonic()

    def suspend(self) -> float:
        self._gate.configure(Limits(**(vars(PLENTY) | {"status": Status.STATUS_SUSPENDED})))
        return time.monotonic()

    def _key(self, status: Status.ValueType) -> None:
        policy = KeyPolicy(
            key_id="key_1", tenant_id=TENANT, key_sha256=KEY.sha256, status=status, scopes=["*"]
        )
        self._gate.apply(PolicyChange(key=policy))


@pytest.fixture
def policies(own_redis: RedisProcess) -> Iterator[Policies]:
    with Redis(port=own_redis.port) as redis:
        yield Policies(redis)


async def test_a_revoked_key_stops_at_once_under_load(
    own_redis: RedisProcess, policies: Policies
) -> None:
    async with gate_at_work(own_redis.url) as gate:
        await gate.until_cached(KEY)
        async with gate.under_load(KEY):
            await gate.until(0, 5)
            revoked_at = policies.revoke()
            await asyncio.sleep(PROMISE_SECONDS)
        assert len(gate.outcomes) > 500
        assert gate.allowed_after(revoked_at + PROMISE_SECONDS / 4) == 0


@pytest.mark.parametrize("change", [Policies.revoke, Policies.suspend])
async def test_it_stops_in_time_though_the_subscription_is_silently_lost(
    own_redis: RedisProcess, policies: Policies, change: object
) -> None:
    async with (
        relay_to(*own_redis.place) as relay,
        gate_at_work(f"redis://127.0.0.1:{relay.port}") as gate,
    ):
        await gate.until_cached(KEY)
        async with gate.under_load(KEY):
            await gate.until(0, 5)
            relay.freeze(CHANGES.encode())
            assert callable(change)
            changed_at = change(policies)
            await asyncio.sleep(PROMISE_SECONDS + 0.5)
        assert gate.allowed_after(changed_at) > 0
        assert gate.allowed_after(changed_at + PROMISE_SECONDS) == 0
        relay.thaw()


async def test_a_change_that_nobody_heard_is_known_after_the_next_subscription(
    own_redis: RedisProcess, policies: Policies
) -> None:
    """The key was read before the change, and is not asked for until all is well again."""
    async with (
        relay_to(*own_redis.place) as relay,
        gate_at_work(f"redis://127.0.0.1:{relay.port}") as gate,
    ):
        await gate.until_cached(KEY)
        relay.freeze(CHANGES.encode())
        async with asyncio.timeout(5):
            # Until the next subscription is on its way, and does not arrive either.
            while relay.said(CHANGES.encode()) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await gate.code(KEY) == 0
        policies.revoke()
        relay.thaw()
        async with asyncio.timeout(5):
            while not gate.records.trusted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await gate.code(KEY) != 0


async def test_subscriptions_killed_again_and_again_lose_no_change(
    own_redis: RedisProcess, policies: Policies
) -> None:
    async with gate_at_work(own_redis.url) as gate, own_redis.client() as redis:
        async with gate.under_load(KEY):
            await gate.until(0, 5)
            for _ in range(5):
                await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.sleep(0.05)
            revoked_at = policies.revoke()
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(PROMISE_SECONDS)
        assert gate.allowed_after(revoked_at + PROMISE_SECONDS / 4) == 0


async def test_keys_tried_at_random_do_not_hide_a_revocation(
    own_redis: RedisProcess, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ext_authz.record_cache._KEYS_MAX", 50)
    monkeypatch.setattr("ext_authz.record_cache._UNKNOWN_MAX", 10)
    async with gate_at_work(own_redis.url) as gate:
        await gate.until_cached(KEY)
        for _ in range(200):
            assert await gate.code(mint("test", PARTITION)) != 0
        await gate.until_cached(KEY)
        policies.revoke()

        async def is_refused() -> bool:
            return await gate.code(KEY) != 0

        await until_async(is_refused, PROMISE_SECONDS)


async def test_a_redis_that_forgot_its_scripts_still_gives_verdicts(
    own_redis: RedisProcess, policies: Policies
) -> None:
    assert policies
    async with gate_at_work(own_redis.url) as gate, own_redis.client() as redis:
        assert await gate.code(KEY) == 0
        await redis.script_flush()
        async with gate.under_load(KEY):
            await gate.until(0, 5)
        assert gate.allowed_after(0) == len(gate.outcomes)
        charges = await redis.xlen(keyspace.charges(PARTITION))
        assert charges == len(gate.outcomes)


@pytest.fixture
async def cluster(tmp_path: Path, ports: FreePorts) -> AsyncIterator[ClusterSite]:
    site = ClusterSite(tmp_path / "cluster", ports)
    (tmp_path / "cluster").mkdir()
    try:
        await site.start()
        yield site
    finally:
        site.stop()


@contextmanager
def policies_of(cluster: ClusterSite) -> Iterator[Policies]:
    with RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port) as redis:
        yield Policies(redis)


async def test_a_key_revoked_in_a_cluster_stops_under_load_while_its_slot_moves(
    cluster: ClusterSite,
) -> None:
    with policies_of(cluster) as policies:
        async with gate_at_work(cluster.url) as gate:
            await gate.until_cached(KEY)
            async with gate.under_load(KEY):
                await gate.until(0, 5)
                await cluster.move(PARTITION, cluster.others(PARTITION)[0])
                await gate.until(0, 5)
                revoked_at = policies.revoke()
                await asyncio.sleep(PROMISE_SECONDS + 0.2)
            assert gate.allowed_after(revoked_at + PROMISE_SECONDS / 4) == 0
            assert gate.outcomes[-1].code > 0


async def test_a_master_that_falls_silent_is_not_relied_on(cluster: ClusterSite) -> None:
    """It might be another one by now to whom the changes are told."""
    with policies_of(cluster):
        async with gate_at_work(cluster.url) as gate:
            await gate.until_cached(KEY)
            other = cluster.others(PARTITION)[0]
            other.freeze()
            async with asyncio.timeout(PROMISE_SECONDS):
                while gate.records.trusted:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            other.thaw()
            await gate.until_cached(KEY)
