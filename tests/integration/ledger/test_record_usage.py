from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.ledger_process import event, moment, query

if TYPE_CHECKING:
    from tests.support.ledger_process import RunningLedger
    from tollkeeper.api.ledger.v1 import usage_pb2

_TOTALS = """
    SELECT metric, to_char(period_start, 'YYYY-MM-DD'), used_units, carried_units
    FROM ledger.usage_totals ORDER BY 1, 2
"""
_MINUTES = """
    SELECT metric, to_char(minute, 'YYYY-MM-DD HH24:MI:SS'), units
    FROM ledger.usage_minutes ORDER BY 1, 2
"""


async def test_a_batch_sent_again_is_recorded_once(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    batch = [event(tenant.id, f"c{number}", units=2) for number in range(3)]

    assert await ledger.record(*batch) == ["recorded"] * 3
    assert await ledger.record(*batch) == ["exists"] * 3

    assert await query(ledger.url, _TOTALS) == [("api_calls", "2025-11-01", 6, 3)]


async def test_an_event_is_recorded_once_within_a_batch(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    once, other = event(tenant.id, "c1"), event(tenant.id, "c1", units=5)

    assert await ledger.record(once, once, other) == ["recorded", "exists", "exists_different"]
    assert await ledger.record(other, once) == ["exists_different", "exists"]

    assert await query(ledger.url, _TOTALS) == [("api_calls", "2025-11-01", 1, 1)]


@pytest.mark.parametrize(
    "change", [{"units": 2}, {"metric": "llm_tokens"}, {"key_id": "key_2"}, {"key_id": ""}]
)
async def test_the_first_of_two_different_events_stands(
    ledger: RunningLedger, change: dict[str, object]
) -> None:
    tenant = await ledger.tenant()
    await ledger.record(event(tenant.id, "c1"))

    assert await ledger.record(event(tenant.id, "c1", **change)) == ["exists_different"]

    assert await query(ledger.url, _TOTALS) == [("api_calls", "2025-11-01", 1, 1)]


async def test_the_same_id_from_another_tenant_or_source_is_another_event(
    ledger: RunningLedger,
) -> None:
    first, second = await ledger.tenant("first"), await ledger.tenant("second")

    outcomes = await ledger.record(
        event(first.id, "c1"),
        event(second.id, "c1"),
        event(first.id, "c1", source="settlement", units=-1, reserved_units=0),
    )

    assert outcomes == ["recorded"] * 3


async def test_a_bad_event_never_fails_its_neighbours(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    ahead = Timestamp()
    ahead.GetCurrentTime()
    ahead.seconds += 86_400 + 60

    outcomes = await ledger.record(
        event(tenant.id, "good 1"),
        event("tn_00000000000000000000", "c1"),
        event(tenant.id, "c2", metric="wishes"),
        event(tenant.id, ""),
        event(tenant.id, "c3", units=-1),
        event(tenant.id, "c4", units=2**62),
        event(tenant.id, "c5", occurred_at=None),
        event(tenant.id, "c6", occurred_at=ahead),
        event(tenant.id, "nul \0"),
        event(tenant.id, "good 2", request_id="x" * 1_000 + "\0"),
    )

    assert outcomes == [
        "recorded",
        "unknown_tenant",
        "unknown_metric",
        "invalid",
        "invalid",
        "invalid",
        "invalid",
        "invalid",
        "invalid",
        "recorded",
    ]
    assert await query(ledger.url, _TOTALS) == [("api_calls", "2025-11-01", 2, 2)]


async def test_identical_batches_at_the_same_time_count_once(ledger: RunningLedger) -> None:
    tenants = [await ledger.tenant(f"tenant {number}") for number in range(5)]
    batch = [event(tenants[number % 5].id, f"c{number}") for number in range(500)]
    # In different orders, so that a careless lock order would deadlock.
    shuffled = [random.Random(seed).sample(batch, len(batch)) for seed in range(8)]

    answers = await asyncio.gather(
        *(asyncio.ensure_future(ledger.record(*events)) for events in shuffled)
    )

    outcomes = [outcome for answer in answers for outcome in answer]
    assert outcomes.count("recorded") == 500
    assert outcomes.count("exists") == 7 * 500
    rows = await query(ledger.url, "SELECT used_units, carried_units FROM ledger.usage_totals")
    assert rows == [(100, 100)] * 5
    assert await query(ledger.url, "SELECT units FROM ledger.usage_minutes") == [(100,)] * 5


async def test_different_batches_of_the_same_tenants_all_count(ledger: RunningLedger) -> None:
    tenants = [await ledger.tenant(f"tenant {number}") for number in range(5)]

    def batch(number: int) -> list[usage_pb2.UsageEvent]:
        events = [event(tenants[i % 5].id, f"c{number}-{i}") for i in range(100)]
        return random.Random(number).sample(events, len(events))

    await asyncio.gather(
        *(asyncio.ensure_future(ledger.record(*batch(number))) for number in range(20))
    )

    rows = await query(ledger.url, "SELECT used_units FROM ledger.usage_totals")
    assert rows == [(400,)] * 5


async def test_the_period_is_that_of_the_call_however_late_it_comes(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()

    await ledger.record(
        event(tenant.id, "c1", occurred_at=moment("2024-02-29T23:59:59.999999Z")),
        event(tenant.id, "c2", occurred_at=moment("2024-03-01T00:00:00Z")),
        event(tenant.id, "c3", occurred_at=moment("2024-03-01T00:00:59Z"), units=4),
    )

    assert await query(ledger.url, _TOTALS) == [
        ("api_calls", "2024-02-01", 1, 1),
        ("api_calls", "2024-03-01", 5, 2),
    ]
    assert await query(ledger.url, _MINUTES) == [
        ("api_calls", "2024-02-29 23:59:00", 1),
        ("api_calls", "2024-03-01 00:00:00", 5),
    ]


async def test_a_correction_changes_what_is_used_and_not_what_is_carried(
    ledger: RunningLedger,
) -> None:
    tenant = await ledger.tenant()
    correction = event(tenant.id, "c1", source="settlement", units=-7, reserved_units=0)

    # A correction may overtake what it corrects.
    assert await ledger.record(correction) == ["recorded"]
    assert await ledger.record(event(tenant.id, "c1", units=10, reserved_units=10)) == ["recorded"]

    assert await query(ledger.url, _TOTALS) == [("api_calls", "2025-11-01", 3, 10)]


async def test_a_call_that_cost_nothing_is_recorded_and_carried(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()

    assert await ledger.record(event(tenant.id, "c1", units=0)) == ["recorded"]

    assert await query(ledger.url, _TOTALS) == [("api_calls", "2025-11-01", 0, 1)]


async def test_a_batch_waits_for_one_that_is_undone_and_counts(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    other = await asyncpg.connect(ledger.url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(
        "INSERT INTO ledger.usage_events VALUES ($1, 'gate', 'c1', "
        "'2025-11-20', '2025-11-20 10:00:30Z', '', 'api_calls', 1, 1, '', false)",
        tenant.id,
    )

    recording = asyncio.ensure_future(ledger.record(event(tenant.id, "c1")))
    await _until_blocked(ledger.url)
    await transaction.rollback()
    await other.close()

    assert await recording == ["recorded"]


async def test_events_that_came_before_their_partition_move_into_it(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    early = event(tenant.id, "c1", occurred_at=moment("2025-06-30T12:00:00Z"))
    await ledger.record(early)
    where = "SELECT tableoid::regclass::text FROM ledger.usage_events"
    assert await query(ledger.url, where) == [("ledger.usage_events_default",)]

    made = await query(
        ledger.url, "SELECT ledger.create_usage_partitions('2025-06-29', '2025-07-01')"
    )

    assert made == [(3,)]
    assert await query(ledger.url, where) == [("ledger.usage_events_20250630",)]
    assert await ledger.record(early) == ["exists"]


async def test_recording_goes_on_while_its_day_is_given_a_partition(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    day = moment("2025-06-30T12:00:00Z")
    other = await asyncpg.connect(ledger.url)
    async with other.transaction():
        await other.execute("SELECT ledger.create_usage_partitions('2025-06-30', '2025-06-30')")
        recording = asyncio.ensure_future(ledger.record(event(tenant.id, "c1", occurred_at=day)))
        await _until_blocked(ledger.url)
    await other.close()

    assert await recording == ["recorded"]
    where = "SELECT tableoid::regclass::text FROM ledger.usage_events"
    assert await query(ledger.url, where) == [("ledger.usage_events_20250630",)]


async def _until_blocked(url: str) -> None:
    """Return once some statement waits for a lock in this database."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10):
        while not await query(url, waiting):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.02)
