from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import grpc
import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ext_authz import keyspace
from ext_authz.courier.policy_follower import PolicyFollower
from ext_authz.decision import Allowed, Denied
from tests.integration.courier.courier_process import running_courier
from tests.support.relay import relay_to
from tests.support.running import until_async
from tollkeeper.api.ledger.v1 import keys_pb2, tenants_pb2
from tollkeeper.api.policy.v1 import policy_pb2, policy_pb2_grpc
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy
from tollkeeper.runtime.probes import Readiness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.integration.courier.customer import Customer
    from tests.integration.courier.site import Site

_MARGIN = 1_000
"""Whoever resumes hears again of so many transactions, so older ones prove that it resumed."""


async def test_a_new_key_is_admitted_within_a_second(site: Site) -> None:
    async with running_courier(site.settings()):
        customer = await site.new_customer()
        await until_async(lambda: is_allowed(site, customer), 1)


@pytest.mark.parametrize("what", ["key revoked", "tenant suspended", "plan changed"])
async def test_a_change_reaches_the_gate_within_a_second(site: Site, what: str) -> None:
    async with running_courier(site.settings()):
        customer = await site.new_customer("free")
        await until_async(lambda: is_allowed(site, customer), 1)

        change, arrived = changes(site, customer)[what]
        await change()

        await until_async(arrived, 1)


async def test_a_reconnect_resumes_from_the_stored_position_without_a_snapshot(site: Site) -> None:
    async with running_courier(site.settings()):
        old = await site.new_customer()
        await until_async(lambda: site.gate.knows(old), 1)
        before = await position(site)
        await spend_transactions(site, 2 * _MARGIN)
        await until_async(lambda: position_after(site, before + _MARGIN), 5)
        await site.redis.delete(keyspace.key_record(old.partition, old.credential.sha256))

        await site.wire.cut()
        meanwhile = await site.new_customer()
        await site.wire.open()

        await until_async(lambda: site.gate.knows(meanwhile), 5)
        assert not await site.gate.knows(old)


async def test_a_change_of_a_later_version_is_named_and_ends_nothing(
    site: Site, later_ledger: policy_pb2_grpc.PolicyServiceAsyncStub
) -> None:
    readiness, stop = Readiness(), asyncio.Event()
    follower = PolicyFollower(site.redis, later_ledger, readiness)
    following = asyncio.create_task(follower.run(stop))

    async def names_it() -> bool:
        return "older than the ledger" in readiness.reasons["policies"]

    await until_async(names_it, 5)
    assert follower.partitions.result() == 64
    stop.set()
    await asyncio.wait_for(following, 3)


async def test_a_redis_that_hangs_while_policies_are_applied_costs_no_connection(
    site: Site,
) -> None:
    there = site.redis.connection_pool.connection_kwargs
    async with relay_to(there["host"], there["port"]) as wire:
        pool = BlockingConnectionPool(
            host="127.0.0.1",
            port=wire.port,
            password=there["password"],
            max_connections=1,
            timeout=1,
            socket_timeout=0.1,
            retry=Retry(NoBackoff(), 0),
        )
        async with Redis.from_pool(pool) as redis:
            await redis.ping()
            follower = PolicyFollower(redis, site.ledger.policies, Readiness())
            wire.freeze()
            with pytest.raises(RedisError):
                await follower.apply([policy_pb2.PolicyChange(version=1, key=KeyPolicy())])
            wire.thaw()

            assert await redis.ping()


def changes(
    site: Site, customer: Customer
) -> dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[bool]]]]:
    """How to change a customer, and how the gate shows that it knows."""

    async def is_standard() -> bool:
        decision = await site.gate.decide(customer)
        return isinstance(decision, Allowed) and decision.record.tenant.plan == "standard"

    return {
        "key revoked": (
            lambda: site.ledger.keys.RevokeKey(keys_pb2.RevokeKeyRequest(key_id=customer.key_id)),
            lambda: is_denied(site, customer, "credential_revoked"),
        ),
        "tenant suspended": (
            lambda: site.ledger.tenants.SuspendTenant(
                tenants_pb2.SuspendTenantRequest(tenant=customer.tenant_id)
            ),
            lambda: is_denied(site, customer, "tenant_suspended"),
        ),
        "plan changed": (
            lambda: site.ledger.tenants.SetPlan(
                tenants_pb2.SetPlanRequest(tenant=customer.tenant_id, plan="standard")
            ),
            is_standard,
        ),
    }


async def is_allowed(site: Site, customer: Customer) -> bool:
    return isinstance(await site.gate.decide(customer), Allowed)


async def is_denied(site: Site, customer: Customer, reason: str) -> bool:
    decision = await site.gate.decide(customer)
    return isinstance(decision, Denied) and decision.reason == reason


async def position(site: Site) -> int:
    return int(await site.redis.get(keyspace.POLICY_POSITION) or 0)


async def position_after(site: Site, other: int) -> bool:
    return await position(site) > other


async def spend_transactions(site: Site, count: int) -> None:
    connection = await asyncpg.connect(site.ledger.url)
    for _ in range(count):
        await connection.execute("SELECT pg_current_xact_id()")
    await connection.close()


class LaterLedger(policy_pb2_grpc.PolicyServiceServicer):
    async def Watch(self, *_: object) -> AsyncIterator[policy_pb2.WatchResponse]:  # noqa: N802
        change = policy_pb2.PolicyChange(version=1)  # of a kind that is not known here
        yield policy_pb2.WatchResponse(changes=[change], position=7, partitions=64)


@pytest.fixture
async def later_ledger(free_port: int) -> AsyncIterator[policy_pb2_grpc.PolicyServiceAsyncStub]:
    server = grpc.aio.server()
    policy_pb2_grpc.add_PolicyServiceServicer_to_server(LaterLedger(), server)
    server.add_insecure_port(f"127.0.0.1:{free_port}")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        yield policy_pb2_grpc.PolicyServiceStub(channel)
    await server.stop(0)
