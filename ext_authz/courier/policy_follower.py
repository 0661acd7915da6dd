"""Follows the ledger's policies and keeps Redis equal."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc
import structlog
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from ext_authz import keyspace, scripts
from ext_authz.courier.policy_records import policy_write
from tollkeeper.api.policy.v1.policy_pb2 import WatchRequest, WatchResponse
from tollkeeper.runtime.lifecycle import backoff_sleep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from tollkeeper.api.policy.v1.policy_pb2 import PolicyChange
    from tollkeeper.api.policy.v1.policy_pb2_grpc import PolicyServiceAsyncStub
    from tollkeeper.runtime.probes import Readiness

log = structlog.get_logger(__name__)

APPLIED = Counter("tollkeeper_courier_policies_total", "Policy changes, by outcome", ["outcome"])
HEARD_AT = Gauge(
    "tollkeeper_courier_policy_heard_timestamp_seconds", "When the ledger was last heard of"
)

_BACKOFF_SECONDS = 0.3
# Three times the heartbeat that the contract promises; a silent ledger is then called again.
_SILENCE_SECONDS_MAX = 15.0


class RedisEmptiedError(Exception):
    """The position is gone from Redis, hence so are the policies: start from a snapshot."""


class PolicyFollower:
    """Applies the watch stream to Redis. Any number of couriers may do so at once."""

    def __init__(self, redis: Redis, ledger: PolicyServiceAsyncStub, readiness: Readiness) -> None:
        self._redis = redis
        self._ledger = ledger
        self._readiness = readiness
        self._scripts = {
            name: redis.register_script(scripts.source(name))
            for name in ("apply_record", "apply_usage")
        }
        self.partitions: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """How many partitions the installation has; known once the ledger was heard of."""
        readiness.not_ready("policies", "not applied yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`, through every outage of Redis and of the ledger."""
        while not stop.is_set():
            try:
                await self.follow(stop)
            except RedisEmptiedError:
                log.warning("Redis was emptied: asking for all policies")
                self._readiness.not_ready("policies", "Redis was emptied")
            # ValueError: a change that we do not understand stops no charges from being carried.
            except (RedisError, OSError, ValueError, grpc.aio.AioRpcError) as error:
                reason = _brief(error)
                log.warning("policies are not followed", error=reason)
                self._readiness.not_ready("policies", reason)
                await backoff_sleep(stop, _BACKOFF_SECONDS)

    async def follow(self, stop: asyncio.Event) -> None:
        """Apply one watch stream until `stop`. Raises what ends it."""
        # There from the beginning, so that a snapshot is missed also when it was lost halfway.
        await self._redis.set(keyspace.POLICY_POSITION, 0, nx=True)
        position = int(await self._redis.get(keyspace.POLICY_POSITION) or 0)
        call = self._ledger.Watch(WatchRequest(after_position=position))
        try:
            while not stop.is_set():
                response = await _next(call)
                HEARD_AT.set(time.time())
                if not self.partitions.done():
                    self.partitions.set_result(response.partitions)
                await self._check_not_emptied(position)
                await self.apply(response.changes)
                if response.position:
                    position = response.position
                    if not await self._redis.set(keyspace.POLICY_POSITION, position, xx=True):
                        raise RedisEmptiedError
                    self._readiness.ready("policies")
        finally:
            call.cancel()

    async def apply(self, changes: Iterable[PolicyChange]) -> None:
        """Apply changes, in one round trip. Stale ones change nothing."""
        # `async with`: a pipeline that fails while it loads scripts would keep its connection.
        async with self._redis.pipeline(transaction=False) as pipeline:
            for change in changes:
                write = policy_write(change)
                await self._scripts[write.script](
                    keys=[write.key], args=list(write.arguments), client=pipeline
                )
            outcomes = await pipeline.execute()
        for applied in outcomes:
            APPLIED.labels("applied" if applied else "stale").inc()

    async def _check_not_emptied(self, position: int) -> None:
        # Redis may have been emptied or replaced behind our back; increments alone would leave it
        # without the tenants that did not change.
        held = await self._redis.get(keyspace.POLICY_POSITION)
        if held is None or (position and not int(held)):
            raise RedisEmptiedError


async def _next(call: grpc.aio.UnaryStreamCall[WatchRequest, WatchResponse]) -> WatchResponse:
    response = await asyncio.wait_for(call.read(), _SILENCE_SECONDS_MAX)
    if not isinstance(response, WatchResponse):  # grpc.aio.EOF
        raise TimeoutError("the ledger ended the stream")
    return response


def _brief(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"ledger: {error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
