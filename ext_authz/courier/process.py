"""The courier: reservations and settlements to the ledger, policies to Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ext_authz.courier.access_log import SERVICE_NAME, register
from ext_authz.courier.carrier import Carrier
from ext_authz.courier.charge_streams import ChargeStreams
from ext_authz.courier.policy_follower import PolicyFollower
from ext_authz.courier.settlements import Settlements
from ext_authz.redis_client import open_redis
from tollkeeper.api.ledger.v1.usage_pb2_grpc import UsageServiceStub
from tollkeeper.api.policy.v1.policy_pb2_grpc import PolicyServiceStub
from tollkeeper.runtime.grpc_server import open_channel, serve_grpc
from tollkeeper.runtime.probes import Readiness, probe_application, serve_http

if TYPE_CHECKING:
    import grpc
    from redis.asyncio import Redis

    from ext_authz.courier.settings import CourierSettings

# Nothing waits for the courier, so a slow Redis is waited for rather than given up.
_REDIS_TIMEOUT_SECONDS = 5.0
# A round takes a tenth of it. One that waits longer, for a ledger or a Redis that hangs, is broken
# off: nothing is lost by it, the next courier takes over.
_LAST_ROUND_SECONDS = 1.0
_LEAVE_SECONDS = 0.5
# Envoy keeps its stream open for ever; there is nothing to wait for.
_ACCESS_LOG_DRAIN_SECONDS = 0.2
# Envoy's health check sees it within 0.6 s, and then keeps its entries for the next courier.
_ACCESS_LOG_NOTICE_SECONDS = 0.6


async def serve(settings: CourierSettings, stop: asyncio.Event) -> None:
    """Carry until `stop`. Raises OperatorError when Redis or a port is not to be had.

    A ledger that is not there yet is waited for: the gate goes on without it.
    """
    async with (
        open_redis(
            settings.redis_url,
            timeout_seconds=_REDIS_TIMEOUT_SECONDS,
            wait_seconds=settings.start_timeout_seconds,
        ) as redis,
        open_channel(settings.ledger_address) as channel,
    ):
        await _carry(settings, redis, channel, stop)


async def _carry(
    settings: CourierSettings, redis: Redis, channel: grpc.aio.Channel, stop: asyncio.Event
) -> None:
    readiness = Readiness()
    settlements = Settlements(redis)
    async with (
        serve_http(probe_application(readiness), settings.courier_metrics_listen),
        serve_grpc(
            settings.courier_listen,
            partial(register, settlements),
            [SERVICE_NAME],
            drain_timeout_seconds=_ACCESS_LOG_DRAIN_SECONDS,
            drain_notice_seconds=_ACCESS_LOG_NOTICE_SECONDS,
        ),
        asyncio.TaskGroup() as tasks,
    ):
        readiness.ready()
        follower = PolicyFollower(redis, PolicyServiceStub(channel), readiness)
        following = tasks.create_task(follower.run(stop))
        await _first_of(follower.partitions, stop)
        if not stop.is_set():
            streams = ChargeStreams(redis, _consumer_name(), follower.partitions.result())
            carrier = Carrier(streams, settlements, UsageServiceStub(channel), settings)
            carrying = tasks.create_task(carrier.run(stop))
            await stop.wait()
            await asyncio.wait([carrying], timeout=_LAST_ROUND_SECONDS)
            carrying.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(streams.leave(), _LEAVE_SECONDS)
        following.cancel()


async def _first_of(future: asyncio.Future[int], stop: asyncio.Event) -> None:
    """Return when the future is done or the process is told to stop."""
    stopping = asyncio.ensure_future(stop.wait())
    either: list[asyncio.Future[Any]] = [future, stopping]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def _consumer_name() -> str:
    # Never reused: a restarted courier is another consumer, and takes over what the first left.
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
