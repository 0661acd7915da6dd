"""The decision server: settings → Redis → gate → serve → stop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from ext_authz.admission import RedisAdmission
from ext_authz.gate import Gate
from ext_authz.redis_client import open_redis
from ext_authz.service import SERVICE_NAME, register
from tollkeeper.runtime.grpc_server import serve_grpc
from tollkeeper.runtime.lifecycle import backoff_sleep
from tollkeeper.runtime.probes import Readiness, probe_application, serve_http

if TYPE_CHECKING:
    import asyncio

    from redis.asyncio import Redis

    from ext_authz.settings import ExtAuthzSettings

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 1.0


async def serve(settings: ExtAuthzSettings, stop: asyncio.Event) -> None:
    """Answer checks until `stop`. Raises OperatorError when Redis or a port is not to be had."""
    async with open_redis(
        settings.redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        wait_seconds=settings.start_timeout_seconds,
    ) as redis:
        await _answer_checks(settings, redis, stop)


async def _answer_checks(settings: ExtAuthzSettings, redis: Redis, stop: asyncio.Event) -> None:
    readiness = Readiness()
    gate = Gate(RedisAdmission(redis), settings)
    async with (
        serve_http(probe_application(readiness), settings.ext_authz_metrics_listen),
        serve_grpc(
            settings.ext_authz_listen,
            partial(register, gate),
            [SERVICE_NAME],
            drain_timeout_seconds=settings.drain_timeout_seconds,
            drain_notice_seconds=settings.drain_notice_seconds,
        ),
    ):
        readiness.ready()
        while not stop.is_set():
            await _probe_redis(redis, readiness)
            await backoff_sleep(stop, _PROBE_SECONDS)
        readiness.not_ready("process", "stopping")


async def _probe_redis(redis: Redis, readiness: Readiness) -> None:
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError) as error:
        readiness.not_ready("redis", str(error))
    else:
        readiness.ready("redis")
