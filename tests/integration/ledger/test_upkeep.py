from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ledger.migrations import migrate_database
from ledger.upkeep.outbox import OutboxPruner
from ledger.upkeep.partitions import PartitionMaker
from ledger.upkeep.periods import PeriodRoller
from ledger.upkeep.repeat import repeat
from tests.support.ledger_process import query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_NOW = datetime(2025, 12, 1, 0, 0, 5, tzinfo=UTC)
_TENANTS = """
    WITH plan AS (INSERT INTO ledger.plans VALUES ('p', sha256(''), '{}') RETURNING id)
    INSERT INTO ledger.tenants (id, name, plan_id, partition, announced_period)
    SELECT 'tn_' || lpad(n::text, 20, '0'), 'tenant ' || n, plan.id, 0,
        CASE WHEN n <= 600 THEN '2025-11-01Z' ELSE '2025-12-01Z' END::timestamptz
    FROM plan, generate_series(1, 601) AS n
"""


def clock() -> datetime:
    return _NOW


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    await migrate_database(postgres_url)
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=3) as pool:
        yield pool


async def test_a_new_month_is_announced_to_each_tenant_once(pool: asyncpg.Pool) -> None:
    await pool.execute(_TENANTS)
    await pool.execute("DELETE FROM ledger.policy_outbox")
    roller = PeriodRoller(pool, clock)

    assert await roller.run_once() == 600
    assert await roller.run_once() == 0

    assert await pool.fetchval("SELECT count(*) FROM ledger.policy_outbox") == 600


async def test_two_ledgers_share_the_announcing(pool: asyncpg.Pool) -> None:
    await pool.execute(_TENANTS)

    announced = await asyncio.gather(*(PeriodRoller(pool, clock).run_once() for _ in range(3)))

    assert sum(announced) == 600


async def test_each_of_the_coming_days_gets_a_partition_once(pool: asyncpg.Pool) -> None:
    maker = PartitionMaker(pool, clock)

    assert await maker.run_once() == 8
    assert await maker.run_once() == 0

    names = await pool.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits "
        "WHERE inhparent = 'ledger.usage_events'::regclass ORDER BY 1"
    )
    days = [f"ledger.usage_events_2025120{day}" for day in range(1, 9)]
    assert [name for (name,) in names] == [*days, "ledger.usage_events_default"]


async def test_partitions_made_by_several_at_once_are_made_once(pool: asyncpg.Pool) -> None:
    made = await asyncio.gather(*(PartitionMaker(pool, clock).run_once() for _ in range(3)))

    assert sorted(made) == [0, 0, 8]


async def test_pruning_forgets_what_is_old_and_remembers_how_far(pool: asyncpg.Pool) -> None:
    for age in (timedelta(days=2), timedelta(hours=1, seconds=1), timedelta(minutes=59)):
        await pool.execute(
            "INSERT INTO ledger.policy_outbox (kind, tenant_id, subject, created_at) "
            "VALUES ('tenant', 't', 't', $1)",
            _NOW - age,
        )
    [kept] = await pool.fetch("SELECT max(xid)::text::bigint AS xid FROM ledger.policy_outbox")
    pruner = OutboxPruner(pool, clock)

    assert await pruner.run_once() == 2
    assert await pruner.run_once() == 0

    assert await pool.fetchval("SELECT count(*) FROM ledger.policy_outbox") == 1
    horizon = await pool.fetchval("SELECT pruned_below::text::bigint FROM ledger.policy_horizon")
    assert 1 < horizon <= kept["xid"]


async def test_pruning_stops_before_a_transaction_that_is_still_open(
    pool: asyncpg.Pool, postgres_url: str
) -> None:
    old = "VALUES ('tenant', 't', 't', '2025-01-01Z')"
    insert = f"INSERT INTO ledger.policy_outbox (kind, tenant_id, subject, created_at) {old}"
    async with pool.acquire() as slow, slow.transaction():
        await slow.execute(insert)
        await query(postgres_url, insert)

        assert await OutboxPruner(pool, clock).run_once() == 0

    assert await OutboxPruner(pool, clock).run_once() == 2


async def test_failing_upkeep_is_tried_again() -> None:
    stop = asyncio.Event()

    class Failing:
        name = "failing"
        every_seconds = 0.001
        runs = 0

        async def run_once(self) -> int:
            self.runs += 1
            if self.runs == 1:
                raise asyncpg.ConnectionDoesNotExistError("gone")
            if self.runs == 2:
                raise asyncpg.LockNotAvailableError("held")
            stop.set()
            return 1

    failing = Failing()
    await asyncio.wait_for(repeat(failing, stop), 5)

    assert failing.runs == 3
