"""Keys that the gate admits, as often as they are used."""

from __future__ import annotations

import datetime as dt
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from ext_authz import scripts
from ext_authz.courier.policy_records import policy_write
from tollkeeper.api.policy.v1.policy_pb2 import (
    KeyPolicy,
    Period,
    PolicyChange,
    QuotaPolicy,
    Status,
    TenantPolicy,
)
from tollkeeper.credential import Credential, mint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redis import Redis

PARTITIONS = 64
_KEYS_PER_TENANT = 100
_BATCH = 1_000
# More than a machine can ask for, and small enough for the exact integers of Lua: the rate is
# multiplied by the microseconds of a minute.
_BURST_CAPACITY = 1_000_000_000
_RATE_PER_MINUTE = 100_000_000
_QUOTA = 10**12


def credential(number: int) -> Credential:
    """The same key for the same number, in every run."""
    secret = iter(f"{number:032d}")
    return mint("live", _partition(number // _KEYS_PER_TENANT), lambda _: next(secret))


def seed(redis: Redis, keys: int) -> None:
    """Make the first `keys` credentials known, as the courier does."""
    apply = redis.register_script(scripts.source("apply_record"))
    sha = redis.script_load(apply.script)
    changes = _changes(keys)
    while batch := list(islice(changes, _BATCH)):
        with redis.pipeline(transaction=False) as pipe:
            for change in batch:
                write = policy_write(change)
                pipe.evalsha(sha, 1, write.key, *write.arguments)
            pipe.execute()


def _changes(keys: int) -> Iterator[PolicyChange]:
    for tenant in range(-(-keys // _KEYS_PER_TENANT)):
        yield PolicyChange(version=1, partition=_partition(tenant), tenant=_tenant(tenant))
    for number in range(keys):
        yield _key(number)


def _tenant(tenant: int) -> TenantPolicy:
    now = dt.datetime.now(dt.UTC)
    month = dt.timedelta(days=30)
    return TenantPolicy(
        tenant_id=_tenant_id(tenant),
        plan="bench",
        status=Status.STATUS_ACTIVE,
        burst_interval_micros=1,
        burst_capacity=_BURST_CAPACITY,
        rate_per_minute=_RATE_PER_MINUTE,
        quotas=[QuotaPolicy(metric="api_calls", limit=_QUOTA, included=_QUOTA)],
        periods=_periods([now - month, now + month, now + 2 * month]),
    )


def _periods(bounds: list[dt.datetime]) -> Iterable[Period]:
    for start, end in pairwise(bounds):
        period = Period()
        period.start.FromDatetime(start)
        period.end.FromDatetime(end)
        yield period


def _key(number: int) -> PolicyChange:
    tenant = number // _KEYS_PER_TENANT
    return PolicyChange(
        version=1,
        partition=_partition(tenant),
        key=KeyPolicy(
            key_id=f"key_{number:026d}",
            tenant_id=_tenant_id(tenant),
            key_sha256=credential(number).sha256,
            status=Status.STATUS_ACTIVE,
            scopes=["*"],
        ),
    )


def _partition(tenant: int) -> int:
    return tenant % PARTITIONS


def _tenant_id(tenant: int) -> str:
    return f"tn_{tenant:026d}"
