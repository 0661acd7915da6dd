"""From the ledger's policy changes to the records that `admit.lua` reads. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ext_authz import keyspace
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, Status, TenantPolicy, UsageSettled

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from tollkeeper.api.policy.v1.policy_pb2 import PolicyChange

Field = str | bytes | int


@dataclass(frozen=True, slots=True)
class PolicyWrite:
    """One call of a script in `lua/`."""

    script: Literal["apply_record", "apply_usage"]
    key: str
    arguments: tuple[Field, ...]


# What is not known to be active is not active: the scripts ask for exactly this word.
_STATUS_WORDS = {
    Status.STATUS_ACTIVE: "active",
    Status.STATUS_SUSPENDED: "suspended",
    Status.STATUS_REVOKED: "revoked",
}


def policy_write(change: PolicyChange) -> PolicyWrite:
    """How to apply a change. Raises ValueError for a kind that this courier does not know."""
    match change.WhichOneof("subject"):
        case "tenant":
            return _tenant(change, change.tenant)
        case "key":
            return _key(change, change.key)
        case "usage":
            return _usage(change, change.usage)
        case kind:
            raise ValueError(
                f"unknown policy change {kind!r}: is this courier older than the ledger?"
            )


def _tenant(change: PolicyChange, policy: TenantPolicy) -> PolicyWrite:
    current, following = policy.periods[0], policy.periods[1]
    fields: dict[str, Field] = {
        "status": _STATUS_WORDS.get(policy.status, "unknown"),
        "plan": policy.plan,
        "burst_interval": policy.burst_interval_micros,
        "burst_capacity": policy.burst_capacity,
        "rate_per_minute": policy.rate_per_minute,
        "period_start": _micros(current.start),
        "period_end": _micros(current.end),
        "next_period_end": _micros(following.end),
    }
    for quota in policy.quotas:
        fields[f"limit:{quota.metric}"] = quota.limit
        fields[f"included:{quota.metric}"] = quota.included
    key = keyspace.tenant_record(change.partition, policy.tenant_id)
    return _record(change.version, key, fields)


def _key(change: PolicyChange, policy: KeyPolicy) -> PolicyWrite:
    fields: dict[str, Field] = {
        "tenant": policy.tenant_id,
        "id": policy.key_id,
        "status": _STATUS_WORDS.get(policy.status, "unknown"),
        "expires_at": _micros(policy.expires_at) if policy.HasField("expires_at") else "",
        "scopes": " ".join(policy.scopes),
    }
    key = keyspace.key_record(change.partition, policy.key_sha256)
    return _record(change.version, key, fields)


def _usage(change: PolicyChange, usage: UsageSettled) -> PolicyWrite:
    return PolicyWrite(
        "apply_usage",
        keyspace.tenant_state(change.partition, usage.tenant_id),
        (
            usage.metric,
            change.version,
            _micros(usage.period_start),
            usage.used_units,
            usage.carried_units,
        ),
    )


def _record(version: int, key: str, fields: dict[str, Field]) -> PolicyWrite:
    pairs = [part for pair in fields.items() for part in pair]
    return PolicyWrite("apply_record", key, (version, keyspace.CHANGES, *pairs))


def _micros(moment: Timestamp) -> int:
    return moment.ToMicroseconds()
