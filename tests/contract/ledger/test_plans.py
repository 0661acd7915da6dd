from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from tests.contract.ledger.statuses import refused
from tollkeeper.api.ledger.v1 import money_pb2
from tollkeeper.api.ledger.v1 import plans_pb2 as api

if TYPE_CHECKING:
    from tests.support.ledger_process import RunningLedger


async def test_plans_are_listed_cheapest_first(ledger: RunningLedger) -> None:
    answer = await ledger.plans.ListPlans(api.ListPlansRequest())

    prices = [(plan.id, plan.base_price.currency, plan.base_price.micros) for plan in answer.plans]
    assert prices == [
        ("free", "USD", 0),
        ("standard", "USD", 99_000_000),
        ("enterprise", "USD", 499_000_000),
    ]


async def test_a_plan_shows_its_quotas_with_exact_prices(ledger: RunningLedger) -> None:
    plan = await ledger.plans.GetPlan(api.GetPlanRequest(plan="enterprise"))

    assert plan.limits == api.RateLimits(
        burst_per_second=1_000, burst_capacity=2_000, rate_per_minute=30_000
    )
    quotas = {quota.metric: quota for quota in plan.quotas}
    assert list(quotas) == ["llm_tokens", "agent_executions", "api_calls", "storage_gb", "seats"]
    assert quotas["api_calls"] == api.Quota(
        metric="api_calls",
        included=1_000_000,
        cap=api.CAP_NONE,
        overage=money_pb2.UnitPrice(currency="USD", picos=500_000_000),
    )
    assert quotas["seats"] == api.Quota(metric="seats", unlimited=True, cap=api.CAP_NONE)


async def test_an_unknown_plan_is_not_found(ledger: RunningLedger) -> None:
    with refused(StatusCode.NOT_FOUND, "no plan 'golden'"):
        await ledger.plans.GetPlan(api.GetPlanRequest(plan="golden"))
