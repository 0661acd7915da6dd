"""Tenants and keys of a running stack, made with the real command."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from redis import Redis

from ext_authz import keyspace
from tests.support.until import until
from tollkeeper.credential import parse

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

_numbers = itertools.count(1)
_PARTITIONS = 64


@dataclass(frozen=True)
class CreatedKey:
    id: str
    secret: str


def new_tenant(stack: LocalStack, plan: str) -> str:
    """The id of a new tenant."""
    name = f"tenant-{os.getpid()}-{next(_numbers)}"
    done = stack.tollkeeper("tenant", "create", name, "--plan", plan, "--json")
    done.check_returncode()
    return str(orjson.loads(done.stdout)["id"])


def new_key(stack: LocalStack, tenant: str, *options: str) -> CreatedKey:
    """A new key, once the gate knows it."""
    done = stack.tollkeeper("key", "create", tenant, *options, "--json")
    done.check_returncode()
    created = orjson.loads(done.stdout)
    credential = parse(created["key"])
    assert credential is not None
    name = keyspace.key_record(credential.partition, credential.sha256)
    with Redis.from_url(stack.endpoints["redis"]) as redis:
        until(lambda: redis.exists(name), 1, "the gate knows the new key")
    return CreatedKey(created["id"], created["key"])


def used(stack: LocalStack, tenant: str, metric: str = "api_calls") -> int:
    """What `tollkeeper usage show` says."""
    done = stack.tollkeeper("usage", "show", tenant, "--json")
    done.check_returncode()
    metrics = {row["metric"]: row["used"] for row in orjson.loads(done.stdout)["metrics"]}
    return int(metrics[metric])


def charges_left(stack: LocalStack) -> int:
    """How many charges the ledger does not have yet."""
    with Redis.from_url(stack.endpoints["redis"]) as redis:
        return sum(int(redis.xlen(keyspace.charges(number))) for number in range(_PARTITIONS))
