"""The gate's scripts on a real Redis, with the clock in the test's hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ext_authz import keyspace, scripts
from ext_authz.courier.policy_records import policy_write
from ext_authz.records import TenantRecord
from tollkeeper.api.policy.v1.policy_pb2 import (
    KeyPolicy,
    Period,
    PolicyChange,
    QuotaPolicy,
    Status,
    TenantPolicy,
    UsageSettled,
)

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from redis import Redis

# Shadows `redis` with one whose TIME is the last two arguments; all else is the real thing.
_CLOCK = """
local real = redis
local redis = {call = function(name, ...)
  if name == 'TIME' then return {ARGV[#ARGV - 1], ARGV[#ARGV]} end
  return real.call(name, ...)
end}
"""
PARTITION = 17
TENANT = "tn_oracle"
KEY_SHA256 = bytes(range(32))
# 2026-11-01 and 2026-12-01, 2027-01-01.
PERIOD_START, PERIOD_END, NEXT_PERIOD_END = (
    1_793_491_200_000_000,
    1_796_083_200_000_000,
    1_798_761_600_000_000,
)


@dataclass(frozen=True)
class Limits:
    """A tenant's policy, and its key's."""

    burst_interval: int = 100_000
    burst_capacity: int = 20
    rate_per_minute: int = 300
    limit: int = 1_000
    included: int = 1_000
    status: Status = Status.STATUS_ACTIVE
    key_status: Status = Status.STATUS_ACTIVE
    scopes: tuple[str, ...] = ("*",)
    expires_at: int | None = None


@dataclass
class FrozenGate:
    redis: Redis
    version: int = 0
    _scripts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._admit = self.redis.register_script(_CLOCK + scripts.source("admit"))
        for name in ("apply_record", "apply_usage"):
            self._scripts[name] = self.redis.register_script(scripts.source(name))

    def configure(self, limits: Limits) -> None:
        """Make tenant and key known, as the courier does."""
        tenant = TenantPolicy(
            tenant_id=TENANT,
            plan="standard",
            status=limits.status,
            burst_interval_micros=limits.burst_interval,
            burst_capacity=limits.burst_capacity,
            rate_per_minute=limits.rate_per_minute,
            quotas=[QuotaPolicy(metric="api_calls", limit=limits.limit, included=limits.included)],
            periods=[_period(PERIOD_START, PERIOD_END), _period(PERIOD_END, NEXT_PERIOD_END)],
        )
        key = KeyPolicy(
            key_id="key_oracle",
            tenant_id=TENANT,
            key_sha256=KEY_SHA256,
            status=limits.key_status,
            scopes=limits.scopes,
        )
        if limits.expires_at is not None:
            key.expires_at.FromMicroseconds(limits.expires_at)
        self.apply(PolicyChange(tenant=tenant))
        self.apply(PolicyChange(key=key))

    def settle(self, used: int, carried: int, period_start: int = PERIOD_START) -> bool:
        """Tell the gate what the ledger holds."""
        usage = UsageSettled(
            tenant_id=TENANT, metric="api_calls", used_units=used, carried_units=carried
        )
        usage.period_start.FromMicroseconds(period_start)
        return self.apply(PolicyChange(usage=usage))

    def apply(self, change: PolicyChange, version: int | None = None) -> bool:
        """Apply under the next version, or the one given; False when it was stale."""
        self.version += 1
        change.partition = PARTITION
        change.version = self.version if version is None else version
        write = policy_write(change)
        return bool(self._scripts[write.script](keys=[write.key], args=list(write.arguments)))

    def admit(self, at: int, units: int = 1, metric: str = "api_calls") -> list[int]:
        """The script's reply for a call at `at` microseconds."""
        tenant = self.tenant()
        reply = self._admit(
            keys=[keyspace.tenant_state(PARTITION, TENANT), keyspace.charges(PARTITION)],
            args=[
                *tenant.admit_arguments(metric, units),
                f"dec_{at} {TENANT} key_oracle {metric} {units} request 1",
                *divmod(at, 1_000_000),
            ],
        )
        return list(reply)

    def tenant(self) -> TenantRecord:
        """The record as a gate reads it."""
        fields = self.redis.hgetall(keyspace.tenant_record(PARTITION, TENANT))
        texts = {name.decode(): value.decode() for name, value in fields.items()}
        return TenantRecord.from_fields(TENANT, PARTITION, texts)

    def everything(self) -> dict[bytes, Any]:
        """All that Redis holds, to prove that a refusal writes nothing."""
        return {
            name: self.redis.hgetall(name)
            if self.redis.type(name) == b"hash"
            else self.redis.xrange(name)
            for name in sorted(self.redis.keys())
        }

    def charges(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in self.redis.xrange(keyspace.charges(PARTITION))]


def _period(start: int, end: int) -> Period:
    period = Period()
    _set(period.start, start)
    _set(period.end, end)
    return period


def _set(timestamp: Timestamp, micros: int) -> None:
    timestamp.FromMicroseconds(micros)
