"""The decision server: settings → Redis → gate → serve → stop."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from redis.exceptions import RedisError

from ext_authz.admission import SCRIPT, Admission
from ext_authz.changes import ChangeListener
from ext_authz.gate import Gate
from ext_authz.gate_metrics import GateMetrics
from ext_authz.record_cache import RecordCache
from ext_authz.redis.link import Link
from ext_authz.redis_client import open_redis
from ext_authz.service import SERVICE_NAME, register, wire_methods
from ext_authz.wire.server import serve_wire
from tollkeeper.runtime.grpc_server import serve_grpc
from tollkeeper.runtime.lifecycle import backoff_sleep
from tollkeeper.runtime.probes import Readiness, probe_application, serve_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from ext_authz.settings import ExtAuthzSettings

_PROBE_SECONDS = 0.5


async def serve(settings: ExtAuthzSettings, stop: asyncio.Event) -> None:
    """Answer checks until `stop`. Raises OperatorError when Redis or a port is not to be had."""
    async with (
        open_redis(
            settings.redis_url,
            timeout_seconds=settings.redis_timeout_seconds,
            wait_seconds=settings.start_timeout_seconds,
        ) as redis,
        Link(
            settings.redis_url,
            timeout_seconds=settings.redis_timeout_seconds,
            scripts=[SCRIPT],
        ) as link,
        _gate(settings, redis, link) as gate,
    ):
        readiness = Readiness()
        async with (
            serve_http(probe_application(readiness), settings.ext_authz_metrics_listen),
            _transport(settings, gate),
        ):
            readiness.ready()
            while not stop.is_set():
                await _probe_redis(redis, link, readiness)
                await backoff_sleep(stop, _PROBE_SECONDS)
            readiness.not_ready("process", "stopping")


@asynccontextmanager
async def _gate(settings: ExtAuthzSettings, redis: Redis, link: Link) -> AsyncIterator[Gate]:
    records = RecordCache(link)
    metrics = GateMetrics()
    listening = asyncio.create_task(ChangeListener(redis, records).run())
    REGISTRY.register(metrics)
    try:
        now = asyncio.get_running_loop().time
        yield Gate(records, Admission(link), metrics, settings, now)
    finally:
        REGISTRY.unregister(metrics)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def _transport(settings: ExtAuthzSettings, gate: Gate) -> AbstractAsyncContextManager[None]:
    if settings.transport == "wire":
        return serve_wire(
            settings.ext_authz_listen,
            wire_methods(gate),
            [SERVICE_NAME],
            drain_timeout_seconds=settings.drain_timeout_seconds,
            drain_notice_seconds=settings.drain_notice_seconds,
        )
    return serve_grpc(
        settings.ext_authz_listen,
        partial(register, gate),
        [SERVICE_NAME],
        drain_timeout_seconds=settings.drain_timeout_seconds,
        drain_notice_seconds=settings.drain_notice_seconds,
    )


async def _probe_redis(redis: Redis, link: Link, readiness: Readiness) -> None:
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError) as error:
        readiness.not_ready("redis", str(error))
    else:
        if link.connected:
            readiness.ready("redis")
        else:
            readiness.not_ready("redis", "connecting")
