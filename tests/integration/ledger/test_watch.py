from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.service.policy import PolicyService
from ledger.store.bell import Bell
from ledger.store.policy import PolicyStore
from tests.support.ledger_process import (
    PARTITIONS,
    RunningLedger,
    event,
    heard_until,
    positioned,
    query,
)
from tollkeeper.api.ledger.v1 import keys_pb2, tenants_pb2
from tollkeeper.api.policy.v1 import policy_pb2, policy_pb2_grpc
from tollkeeper.credential import parse
from tollkeeper.runtime.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Messages = list[policy_pb2.WatchResponse]


async def test_the_snapshot_tells_usage_then_tenants_then_keys(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant("free rider", plan="free")
    minted = await ledger.key(tenant.id, scopes=["a:read"])
    now = Timestamp()
    now.GetCurrentTime()
    await ledger.record(
        event(tenant.id, "c1", metric="llm_tokens", units=70, reserved_units=100, occurred_at=now)
    )

    messages = await heard_until(ledger.watch(), positioned)

    usage, policy, key = changes(messages)
    assert {message.partitions for message in messages} == {PARTITIONS}
    assert {change.partition for change in (usage, policy, key)} == {tenant.partition}
    assert (usage.usage.metric, usage.usage.used_units, usage.usage.carried_units) == (
        "llm_tokens",
        70,
        100,
    )
    assert usage.usage.period_start == policy.tenant.periods[0].start
    assert key.key.key_sha256 == parse(minted.secret).sha256  # type: ignore[union-attr]
    assert (key.key.key_id, key.key.tenant_id) == (minted.key.id, tenant.id)
    assert key.key.status == policy_pb2.STATUS_ACTIVE
    assert key.key.scopes == ["a:read"]
    assert not key.key.HasField("expires_at")


async def test_a_tenants_policy_is_its_plan_with_two_periods(ledger: RunningLedger) -> None:
    await ledger.tenant("free rider", plan="free")

    [change] = changes(await heard_until(ledger.watch(), positioned))

    policy = change.tenant
    assert policy.plan == "free"
    assert (policy.burst_interval_micros, policy.burst_capacity, policy.rate_per_minute) == (
        100_000,
        20,
        300,
    )
    assert [(quota.metric, quota.limit, quota.included) for quota in policy.quotas] == [
        ("llm_tokens", 11_000, 10_000),
        ("agent_executions", 110, 100),
        ("api_calls", 1_100, 1_000),
        ("storage_gb", 1, 1),
        ("seats", 3, 3),
    ]
    current, following = policy.periods
    now = Timestamp()
    now.GetCurrentTime()
    assert current.start.seconds <= now.seconds < current.end.seconds
    assert following.start == current.end


async def test_a_large_snapshot_comes_in_parts_with_the_position_in_the_last(
    ledger: RunningLedger,
) -> None:
    await query(
        ledger.url,
        "INSERT INTO ledger.tenants (id, name, plan_id, partition, announced_period) "
        "SELECT 'tn_' || lpad(n::text, 20, '0'), 'tenant ' || n, 'free', 1, '2025-11-01Z' "
        "FROM generate_series(1, 1000) AS n",
    )

    messages = await heard_until(ledger.watch(), positioned)

    assert [len(message.changes) for message in messages] == [500, 500]
    assert len({change.tenant.tenant_id for change in changes(messages)}) == 1_000


async def test_every_kind_of_change_follows_within_a_second(ledger: RunningLedger) -> None:
    stream = ledger.watch()
    await heard_until(stream, positioned)

    tenant = await ledger.tenant()
    await follows(stream, lambda change: change.tenant.tenant_id == tenant.id)
    minted = await ledger.key(tenant.id)
    await follows(stream, lambda change: change.key.key_id == minted.key.id)
    await ledger.record(event(tenant.id, "c1", units=3))
    await follows(stream, lambda change: change.usage.used_units == 3)
    await ledger.tenants.SetPlan(tenants_pb2.SetPlanRequest(tenant=tenant.id, plan="free"))
    await follows(stream, lambda change: change.tenant.plan == "free")
    await ledger.tenants.SuspendTenant(tenants_pb2.SuspendTenantRequest(tenant=tenant.id))
    await follows(stream, lambda change: change.tenant.status == policy_pb2.STATUS_SUSPENDED)
    await ledger.tenants.ResumeTenant(tenants_pb2.ResumeTenantRequest(tenant=tenant.id))
    await follows(stream, lambda change: change.tenant.status == policy_pb2.STATUS_ACTIVE)
    await ledger.keys.RevokeKey(keys_pb2.RevokeKeyRequest(key_id=minted.key.id))
    await follows(stream, lambda change: change.key.status == policy_pb2.STATUS_REVOKED)


async def test_versions_of_a_subject_grow(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    stream = ledger.watch()
    versions = [changes(await heard_until(stream, positioned))[0].version]

    for plan in ("free", "enterprise", "standard"):
        await ledger.tenants.SetPlan(tenants_pb2.SetPlanRequest(tenant=tenant.id, plan=plan))
        change = await follows(stream, lambda change, plan=plan: change.tenant.plan == plan)  # type: ignore[misc]
        versions.append(change.version)

    assert versions == sorted(set(versions))


async def test_a_request_that_changes_nothing_tells_the_gate_nothing(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    outbox = "SELECT count(*) FROM ledger.policy_outbox"
    before = await query(ledger.url, outbox)

    await ledger.tenants.ResumeTenant(tenants_pb2.ResumeTenantRequest(tenant=tenant.id))
    await ledger.tenants.SetPlan(tenants_pb2.SetPlanRequest(tenant=tenant.id, plan="standard"))

    assert await query(ledger.url, outbox) == before


async def test_a_late_commit_is_not_skipped(
    ledger: RunningLedger, quiet: policy_pb2_grpc.PolicyServiceStub
) -> None:
    late = await ledger.tenant("late")
    early = await ledger.tenant("early")
    watch = quiet.Watch(policy_pb2.WatchRequest())
    await heard_until(watch, positioned)

    async with held_transaction(ledger.url) as (slow, commit):
        await slow.execute("UPDATE ledger.tenants SET plan_id = 'free' WHERE id = $1", late.id)
        await query(
            ledger.url, "UPDATE ledger.tenants SET plan_id = 'free' WHERE id = $1", early.id
        )
        # The later transaction is told at once, though an earlier one is still open, and the
        # position stays behind so that whoever resumes does not skip the open one either.
        early_messages = await heard_until(watch, tells(early.id))
        position = early_messages[-1].position
        await commit()

    await heard_until(watch, tells(late.id))
    resumed = quiet.Watch(policy_pb2.WatchRequest(after_position=position))
    await heard_until(resumed, tells(late.id))


async def test_a_watch_resumes_from_its_position_with_what_came_since(
    ledger: RunningLedger, quiet: policy_pb2_grpc.PolicyServiceStub
) -> None:
    await ledger.tenant("before")
    messages = await heard_until(quiet.Watch(policy_pb2.WatchRequest()), positioned)
    after = await ledger.tenant("after")

    position = messages[-1].position
    resumed = quiet.Watch(policy_pb2.WatchRequest(after_position=position))

    heard = changes(await heard_until(resumed, positioned))
    assert [change.tenant.tenant_id for change in heard] == [after.id]


async def test_a_position_that_the_outbox_no_longer_keeps_brings_a_snapshot(
    ledger: RunningLedger, quiet: policy_pb2_grpc.PolicyServiceStub
) -> None:
    before = await ledger.tenant("before")
    messages = await heard_until(quiet.Watch(policy_pb2.WatchRequest()), positioned)
    after = await ledger.tenant("after")
    await query(ledger.url, "DELETE FROM ledger.policy_outbox")
    await query(
        ledger.url,
        "UPDATE ledger.policy_horizon SET pruned_below = pg_snapshot_xmin(pg_current_snapshot())",
    )

    position = messages[-1].position
    resumed = quiet.Watch(policy_pb2.WatchRequest(after_position=position))

    heard = changes(await heard_until(resumed, positioned))
    assert {change.tenant.tenant_id for change in heard} == {before.id, after.id}


async def test_whoever_resumes_goes_back_a_little(ledger: RunningLedger) -> None:
    """A crash of PostgreSQL may use numbers again that lie below a position sent before."""
    tenant = await ledger.tenant()
    messages = await heard_until(ledger.watch(), positioned)

    again = await heard_until(ledger.watch(after_position=messages[-1].position), positioned)

    assert [change.tenant.tenant_id for change in changes(again)] == [tenant.id]


async def test_usage_of_long_ago_is_not_in_the_snapshot(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    await ledger.record(event(tenant.id, "c1", occurred_at=Timestamp(seconds=1_700_000_000)))

    heard = changes(await heard_until(ledger.watch(), positioned))

    assert [change.WhichOneof("subject") for change in heard] == ["tenant"]


async def test_a_lost_notification_costs_less_than_a_second(
    ledger: RunningLedger, quiet: policy_pb2_grpc.PolicyServiceStub
) -> None:
    # Nobody rings the bell of the quiet service, so it lives by looking from time to time.
    stream = quiet.Watch(policy_pb2.WatchRequest())
    await heard_until(stream, positioned)

    tenant = await ledger.tenant()

    await follows(stream, lambda change: change.tenant.tenant_id == tenant.id)


def changes(messages: Messages) -> list[policy_pb2.PolicyChange]:
    return [change for message in messages for change in message.changes]


def tells(tenant_id: str) -> Callable[[Messages], bool]:
    """Whether the last message tells of this tenant."""
    return lambda messages: (
        bool(messages)
        and any(change.tenant.tenant_id == tenant_id for change in messages[-1].changes)
    )


async def follows(
    stream: object, expected: Callable[[policy_pb2.PolicyChange], bool]
) -> policy_pb2.PolicyChange:
    """The change that comes within a second of what the test just did."""
    messages = await heard_until(
        stream, lambda messages: any(map(expected, changes(messages))), seconds=1
    )
    return next(change for change in changes(messages) if expected(change))


@asynccontextmanager
async def held_transaction(url: str) -> AsyncIterator[tuple[asyncpg.Connection, Callable]]:  # type: ignore[type-arg]
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection, transaction.commit
    finally:
        await connection.close()


@pytest.fixture
async def quiet(
    ledger: RunningLedger, free_port: int
) -> AsyncIterator[policy_pb2_grpc.PolicyServiceStub]:
    """A policy service beside the ledger's, without notifications, that resumes to the number."""
    stop = asyncio.Event()
    async with asyncpg.create_pool(ledger.url, min_size=1, max_size=5) as pool:
        server = grpc.aio.server()
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(
            PolicyService(
                store=PolicyStore(pool),
                bell=Bell(),
                partitions=PARTITIONS,
                clock=system_clock,
                stop=stop,
                resume_margin=0,
            ),
            server,
        )
        server.add_insecure_port(f"127.0.0.1:{free_port}")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port}") as channel:
            yield policy_pb2_grpc.PolicyServiceStub(channel)
        stop.set()
        await server.stop(2)
