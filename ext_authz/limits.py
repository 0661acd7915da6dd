"""A tenant's limits as the caller sees them: units and whole seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ext_authz.decision import Limit

if TYPE_CHECKING:
    from ext_authz.records import TenantRecord

_SECOND = 1_000_000
MINUTE_SECONDS = 60


def whole_seconds(micros: int) -> int:
    """Rounded up: a caller told to wait must not come too early."""
    return -(-micros // _SECOND)


def burst_limit(tenant: TenantRecord, full_after: int) -> Limit:
    bucket = tenant.burst_interval * tenant.burst_capacity
    return Limit(
        "burst",
        tenant.burst_capacity,
        whole_seconds(bucket),
        (bucket - full_after) // tenant.burst_interval,
        whole_seconds(full_after),
    )


def rate_limit(tenant: TenantRecord, left: int, reset_seconds: int = MINUTE_SECONDS) -> Limit:
    return Limit("rate", tenant.rate_per_minute, MINUTE_SECONDS, left, reset_seconds)


def quota_limit(tenant: TenantRecord, metric: str, used: int, now: int) -> Limit | None:
    """None when the metric is unlimited."""
    included = tenant.included.get(metric, 0)
    if included < 0:
        return None
    start, end = tenant.period_at(now)
    return Limit(
        metric,
        included,
        whole_seconds(end - start),
        max(0, included - used),
        whole_seconds(end - now),
    )
