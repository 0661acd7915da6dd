"""PlanService: shows the catalogue."""
# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.domain.refusal import no_such
from ledger.service.answers import refuse
from tollkeeper.api.ledger.v1 import money_pb2, plans_pb2, plans_pb2_grpc

if TYPE_CHECKING:
    import grpc

    from ledger.domain.catalogue import Catalogue
    from ledger.domain.plan import Cap, Plan, Quota

_CAPS: dict[Cap, plans_pb2.Cap.ValueType] = {
    "hard": plans_pb2.CAP_HARD,
    "soft": plans_pb2.CAP_SOFT,
    "none": plans_pb2.CAP_NONE,
}


class PlanService(plans_pb2_grpc.PlanServiceServicer):
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def ListPlans(
        self,
        request: plans_pb2.ListPlansRequest,  # noqa: ARG002 - it asks for all
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - it cannot fail
    ) -> plans_pb2.ListPlansResponse:
        return plans_pb2.ListPlansResponse(plans=[_plan(plan) for plan in self._catalogue.plans])

    async def GetPlan(
        self, request: plans_pb2.GetPlanRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> plans_pb2.Plan:
        plan = self._catalogue.plan(request.plan)
        if plan is None:
            await refuse(context, no_such("plan", request.plan))
        return _plan(plan)


def _plan(plan: Plan) -> plans_pb2.Plan:
    return plans_pb2.Plan(
        id=plan.id,
        name=plan.name,
        base_price=money_pb2.Money(
            currency=plan.base_price.currency, micros=plan.base_price.micros
        ),
        limits=plans_pb2.RateLimits(
            burst_per_second=plan.limits.burst_per_second,
            burst_capacity=plan.limits.burst_capacity,
            rate_per_minute=plan.limits.rate_per_minute,
        ),
        quotas=[_quota(quota) for quota in plan.quotas],
    )


def _quota(quota: Quota) -> plans_pb2.Quota:
    overage = quota.overage
    return plans_pb2.Quota(
        metric=quota.metric,
        included=quota.included or 0,
        unlimited=quota.included is None,
        cap=_CAPS[quota.cap],
        grace_percent=quota.grace_percent,
        overage=money_pb2.UnitPrice(currency=overage.currency, picos=overage.picos)
        if overage
        else None,
    )
