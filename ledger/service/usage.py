"""UsageService: records what calls consumed and tells what a period came to."""
# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ledger import metrics
from ledger.domain.period import period_of
from ledger.domain.refusal import invalid
from ledger.domain.usage import Outcome, UsageEvent, fault, request_id
from ledger.service.answers import or_unavailable, refuse
from ledger.service.tenants import found
from ledger.service.timestamps import from_timestamp, to_timestamp
from tollkeeper.api.ledger.v1 import usage_pb2, usage_pb2_grpc

if TYPE_CHECKING:
    import grpc

    from ledger.domain.catalogue import Catalogue
    from ledger.domain.plan import Plan
    from ledger.store.tenants import TenantStore
    from ledger.store.usage import UsageStore
    from tollkeeper.runtime.clock import Clock

# About 2 MB and half a second; a larger batch gains nothing and makes others wait.
_EVENTS_MAX = 10_000
_OUTCOMES: dict[Outcome, usage_pb2.RecordOutcome.ValueType] = {
    Outcome.RECORDED: usage_pb2.RECORD_OUTCOME_RECORDED,
    Outcome.EXISTS: usage_pb2.RECORD_OUTCOME_EXISTS,
    Outcome.EXISTS_DIFFERENT: usage_pb2.RECORD_OUTCOME_EXISTS_DIFFERENT,
    Outcome.UNKNOWN_TENANT: usage_pb2.RECORD_OUTCOME_UNKNOWN_TENANT,
    Outcome.UNKNOWN_METRIC: usage_pb2.RECORD_OUTCOME_UNKNOWN_METRIC,
    Outcome.INVALID: usage_pb2.RECORD_OUTCOME_INVALID,
}


class UsageService(usage_pb2_grpc.UsageServiceServicer):
    def __init__(
        self, tenants: TenantStore, usage: UsageStore, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._tenants = tenants
        self._usage = usage
        self._catalogue = catalogue
        self._metrics = catalogue.metrics
        self._clock = clock

    @or_unavailable
    async def RecordUsage(
        self, request: usage_pb2.RecordUsageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> usage_pb2.RecordUsageResponse:
        if len(request.events) > _EVENTS_MAX:
            await refuse(context, invalid(f"a batch has at most {_EVENTS_MAX} events"))
        metrics.USAGE_BATCH_EVENTS.observe(len(request.events))
        with metrics.USAGE_BATCH_SECONDS.time():
            outcomes = await self._record(request)
        for outcome, count in Counter(outcomes).items():
            metrics.USAGE_EVENTS.labels(outcome.value).inc(count)
        return usage_pb2.RecordUsageResponse(outcomes=[_OUTCOMES[outcome] for outcome in outcomes])

    async def _record(self, request: usage_pb2.RecordUsageRequest) -> list[Outcome]:
        now = self._clock()
        read = [_event(message) for message in request.events]
        faults = [
            Outcome.INVALID if event is None else fault(event, self._metrics, now) for event in read
        ]
        sound = [
            event for event, wrong in zip(read, faults, strict=True) if event and wrong is None
        ]
        recorded = iter(await self._usage.record(sound) if sound else ())
        return [next(recorded) if wrong is None else wrong for wrong in faults]

    @or_unavailable
    async def GetUsage(
        self, request: usage_pb2.GetUsageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> usage_pb2.GetUsageResponse:
        moment = from_timestamp(request.at) if request.HasField("at") else self._clock()
        if moment is None:
            await refuse(context, invalid("at must be a moment between 1970 and 9999"))
        tenant = await found(self._tenants, request.tenant, context)
        period = period_of(moment)
        used = await self._usage.used(tenant.id, period.start)
        return usage_pb2.GetUsageResponse(
            tenant_id=tenant.id,
            plan=tenant.plan_id,
            period_start=to_timestamp(period.start),
            period_end=to_timestamp(period.end),
            metrics=_metrics(self._catalogue.plan(tenant.plan_id), used),
        )


def _event(message: usage_pb2.UsageEvent) -> UsageEvent | None:
    """None when it does not tell when it occurred."""
    occurred_at = from_timestamp(message.occurred_at) if message.HasField("occurred_at") else None
    if occurred_at is None:
        return None
    return UsageEvent(
        message.tenant_id,
        message.source,
        message.id,
        message.key_id,
        message.metric,
        message.units,
        message.reserved_units,
        occurred_at,
        request_id(message.request_id),
        message.unsettled,
    )


def _metrics(plan: Plan | None, used: dict[str, int]) -> list[usage_pb2.MetricUsage]:
    quotas = plan.quotas if plan else ()
    of_plan = [
        usage_pb2.MetricUsage(
            metric=quota.metric,
            used=used.get(quota.metric, 0),
            included=quota.included or 0,
            unlimited=quota.included is None,
        )
        for quota in quotas
    ]
    named = {quota.metric for quota in quotas}
    others = [
        usage_pb2.MetricUsage(metric=metric, used=units)
        for metric, units in used.items()
        if metric not in named
    ]
    return of_plan + others
