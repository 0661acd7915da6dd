"""What the gate knows of a key and of a tenant: the policy records, understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ext_authz.decision import Identity, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVERY_SCOPE = "*"


@dataclass(slots=True)
class TenantRecord:
    """What a tenant may do. Intervals and moments in microseconds."""

    tenant_id: str
    partition: int
    plan: str
    status: str
    burst_interval: int
    burst_capacity: int
    rate_per_minute: int
    period_start: int
    period_end: int
    next_period_end: int
    limits: dict[str, int]
    included: dict[str, int]
    is_stale: bool = False
    """The record in Redis has changed since."""
    openings: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """Commands begin alike for all calls of the same cost: encoded once."""

    @classmethod
    def from_fields(cls, tenant_id: str, partition: int, fields: Mapping[str, str]) -> TenantRecord:
        """Read what the courier wrote. Raises KeyError or ValueError for anything else."""
        return cls(
            tenant_id=tenant_id,
            partition=partition,
            plan=fields["plan"],
            status=fields["status"],
            burst_interval=int(fields["burst_interval"]),
            burst_capacity=int(fields["burst_capacity"]),
            rate_per_minute=int(fields["rate_per_minute"]),
            period_start=int(fields["period_start"]),
            period_end=int(fields["period_end"]),
            next_period_end=int(fields["next_period_end"]),
            limits=_by_metric(fields, "limit:"),
            included=_by_metric(fields, "included:"),
        )

    def limit(self, metric: str) -> int:
        """The last unit admitted in a period, -1 without end. What is not sold has none."""
        return self.limits.get(metric, 0)

    def admit_arguments(self, metric: str, units: int) -> tuple[str | int, ...]:
        """ARGV[1] to ARGV[9] of `admit.lua`."""
        return (
            metric,
            units,
            self.burst_interval,
            self.burst_interval * self.burst_capacity,
            self.rate_per_minute,
            self.period_start,
            self.period_end,
            self.next_period_end,
            self.limit(metric),
        )

    def period_at(self, now: int) -> tuple[int, int]:
        if now < self.period_end:
            return self.period_start, self.period_end
        return self.period_end, self.next_period_end


@dataclass(slots=True)
class KeyRecord:
    """What a key may do."""

    key_id: str
    status: str
    scopes: frozenset[str]
    expires_at: int | None
    """Microseconds since the Unix epoch; None: never."""
    tenant: TenantRecord
    identity: Identity
    answers: dict[tuple[object, ...], tuple[bytes, bytes, bytes]] = field(default_factory=dict)
    """What is alike in all answers to calls of the same kind: encoded once."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, str], tenant: TenantRecord) -> KeyRecord:
        """As `TenantRecord.from_fields`."""
        key_id = fields["id"]
        return cls(
            key_id=key_id,
            status=fields["status"],
            scopes=frozenset(fields["scopes"].split()),
            expires_at=int(fields["expires_at"]) if fields["expires_at"] else None,
            tenant=tenant,
            identity=Identity(tenant.tenant_id, key_id, tenant.plan),
        )

    def refusal(self, scope: str, now_micros: int) -> Reason | None:
        """Why this key may not make the call, whatever the limits; None when it may.

        What is not known to be active is not active.
        """
        if self.status != "active":
            return Reason.CREDENTIAL_REVOKED
        if self.expires_at is not None and now_micros >= self.expires_at:
            return Reason.CREDENTIAL_EXPIRED
        if self.tenant.status != "active":
            return Reason.TENANT_SUSPENDED
        if scope and scope not in self.scopes and _EVERY_SCOPE not in self.scopes:
            return Reason.SCOPE_MISSING
        return None


def _by_metric(fields: Mapping[str, str], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): int(value)
        for name, value in fields.items()
        if name.startswith(prefix)
    }
