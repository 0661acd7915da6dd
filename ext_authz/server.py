"""The decision server: settings → Redis → gate → serve → stop; or the parent of several."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY

from ext_authz.admission import SCRIPT, Admission
from ext_authz.changes import ChangeListener
from ext_authz.gate import Gate
from ext_authz.gate_metrics import GateMetrics
from ext_authz.record_cache import RecordCache
from ext_authz.redis.masters import open_masters
from ext_authz.service import SERVICE_NAME, register, wire_methods
from ext_authz.wire.server import serve_wire
from ext_authz.workers.membership import counts_left, leashed
from ext_authz.workers.supervisor import supervise
from tollkeeper.runtime.grpc_server import serve_grpc
from tollkeeper.runtime.lifecycle import backoff_sleep
from tollkeeper.runtime.probes import Readiness, probe_application, serve_http
from tollkeeper.runtime.unix_socket import on_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ext_authz.redis.masters import Masters
    from ext_authz.settings import ExtAuthzSettings

_PROBE_SECONDS = 0.5


async def serve(settings: ExtAuthzSettings, stop: asyncio.Event) -> None:
    """Answer checks until `stop`. Raises OperatorError when Redis or a port is not to be had."""
    if settings.workers > 1:
        await supervise(settings, stop)
        return
    with leashed(settings, stop):
        await _serve_gate(settings, stop)


async def _serve_gate(settings: ExtAuthzSettings, stop: asyncio.Event) -> None:
    async with (
        open_masters(
            settings.redis_url,
            timeout_seconds=settings.redis_timeout_seconds,
            wait_seconds=settings.start_timeout_seconds,
            scripts=[SCRIPT],
        ) as masters,
        _gate(settings, masters) as gate,
    ):
        readiness = Readiness()
        with counts_left(settings):
            async with (
                serve_http(probe_application(readiness), settings.ext_authz_metrics_listen),
                on_address(settings.ext_authz_listen, _transport(settings, gate)),
            ):
                readiness.ready()
                while not stop.is_set():
                    _probe_redis(masters, readiness)
                    await backoff_sleep(stop, _PROBE_SECONDS)
                readiness.not_ready("process", "stopping")


@asynccontextmanager
async def _gate(settings: ExtAuthzSettings, masters: Masters) -> AsyncIterator[Gate]:
    records = RecordCache(masters)
    metrics = GateMetrics()
    listening = asyncio.create_task(ChangeListener(masters, records).run())
    REGISTRY.register(metrics)
    try:
        now = asyncio.get_running_loop().time
        yield Gate(records, Admission(masters), metrics, settings, now)
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
            tls=settings.tls.context() if settings.tls else None,
        )
    return serve_grpc(
        settings.ext_authz_listen,
        partial(register, gate),
        [SERVICE_NAME],
        drain_timeout_seconds=settings.drain_timeout_seconds,
        drain_notice_seconds=settings.drain_notice_seconds,
        credentials=settings.tls.credentials() if settings.tls else None,
    )


def _probe_redis(masters: Masters, readiness: Readiness) -> None:
    if masters.connected:
        readiness.ready("redis")
    else:
        readiness.not_ready("redis", masters.trouble)
