"""Rows of the ledger as the policies that the gate follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.domain.period import next_period, period_of
from ledger.domain.plan import UNLIMITED, plan_from_document
from ledger.service.timestamps import to_timestamp
from ledger.store.policy import KeyRow, PolicyRow, TenantRow, UsageRow
from tollkeeper.api.policy.v1 import policy_pb2

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.domain.period import Period
    from ledger.domain.plan import Quota

_STATUSES = {
    "active": policy_pb2.STATUS_ACTIVE,
    "suspended": policy_pb2.STATUS_SUSPENDED,
    "revoked": policy_pb2.STATUS_REVOKED,
}


def policy_change(row: PolicyRow, now: datetime) -> policy_pb2.PolicyChange:
    change = policy_pb2.PolicyChange(version=row.version, partition=row.partition)
    match row:
        case TenantRow():
            change.tenant.CopyFrom(_tenant(row, now))
        case KeyRow():
            change.key.CopyFrom(_key(row))
        case UsageRow():
            change.usage.CopyFrom(_usage(row))
    return change


def _tenant(row: TenantRow, now: datetime) -> policy_pb2.TenantPolicy:
    plan = plan_from_document(row.plan_document)
    current = period_of(now)
    return policy_pb2.TenantPolicy(
        tenant_id=row.id,
        plan=row.plan_id,
        status=_STATUSES[row.status],
        burst_interval_micros=plan.limits.burst_interval_micros,
        burst_capacity=plan.limits.burst_capacity,
        rate_per_minute=plan.limits.rate_per_minute,
        quotas=[_quota(quota) for quota in plan.quotas],
        periods=[_period(current), _period(next_period(current))],
    )


def _quota(quota: Quota) -> policy_pb2.QuotaPolicy:
    return policy_pb2.QuotaPolicy(
        metric=quota.metric,
        limit=quota.gate_limit,
        included=UNLIMITED if quota.included is None else quota.included,
    )


def _period(period: Period) -> policy_pb2.Period:
    return policy_pb2.Period(start=to_timestamp(period.start), end=to_timestamp(period.end))


def _key(row: KeyRow) -> policy_pb2.KeyPolicy:
    return policy_pb2.KeyPolicy(
        key_id=row.id,
        tenant_id=row.tenant_id,
        key_sha256=row.sha256,
        status=_STATUSES[row.status],
        scopes=row.scopes,
        expires_at=to_timestamp(row.expires_at) if row.expires_at else None,
    )


def _usage(row: UsageRow) -> policy_pb2.UsageSettled:
    return policy_pb2.UsageSettled(
        tenant_id=row.tenant_id,
        metric=row.metric,
        period_start=to_timestamp(row.period_start),
        used_units=row.used_units,
        carried_units=row.carried_units,
    )
