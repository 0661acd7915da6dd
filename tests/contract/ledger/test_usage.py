from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from tests.contract.ledger.statuses import refused
from tests.support.ledger_process import event, moment
from tollkeeper.api.ledger.v1 import usage_pb2 as api

if TYPE_CHECKING:
    from tests.support.ledger_process import RunningLedger


async def test_more_than_ten_thousand_events_are_invalid(ledger: RunningLedger) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "at most 10000 events"):
        await ledger.record(*(api.UsageEvent() for _ in range(10_001)))


async def test_an_empty_batch_has_no_outcome(ledger: RunningLedger) -> None:
    assert await ledger.record() == []


async def test_usage_shows_the_metrics_of_the_plan_and_then_any_others_by_name(
    ledger: RunningLedger,
) -> None:
    tenant = await ledger.tenant("big", plan="enterprise")
    await ledger.record(event(tenant.id, "c1", units=7), event(tenant.id, "c2", metric="seats"))

    usage = await ledger.usage.GetUsage(
        api.GetUsageRequest(tenant="big", at=moment("2025-11-30T23:59:59.999999Z"))
    )

    assert (usage.tenant_id, usage.plan) == (tenant.id, "enterprise")
    assert usage.period_start == moment("2025-11-01T00:00:00Z")
    assert usage.period_end == moment("2025-12-01T00:00:00Z")
    assert [(row.metric, row.used, row.included, row.unlimited) for row in usage.metrics] == [
        ("llm_tokens", 0, 10_000_000, False),
        ("agent_executions", 0, 50_000, False),
        ("api_calls", 7, 1_000_000, False),
        ("storage_gb", 0, 1_024, False),
        ("seats", 1, 0, True),
    ]


async def test_without_a_moment_the_current_period_is_shown(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant()
    now = Timestamp()
    now.GetCurrentTime()
    await ledger.record(event(tenant.id, "c1", occurred_at=now))

    usage = await ledger.usage.GetUsage(api.GetUsageRequest(tenant=tenant.id))

    assert usage.period_start.seconds <= now.seconds < usage.period_end.seconds
    assert {row.metric: row.used for row in usage.metrics}["api_calls"] == 1


async def test_usage_of_an_unknown_tenant_is_not_found(ledger: RunningLedger) -> None:
    with refused(StatusCode.NOT_FOUND, "no tenant 'nobody'"):
        await ledger.usage.GetUsage(api.GetUsageRequest(tenant="nobody"))


@pytest.mark.parametrize("at", [Timestamp(seconds=-1), Timestamp(seconds=253_370_764_800)])
async def test_a_moment_without_a_period_is_invalid(ledger: RunningLedger, at: Timestamp) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "between 1970 and 9999"):
        await ledger.usage.GetUsage(api.GetUsageRequest(tenant="nobody", at=at))
