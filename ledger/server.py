"""The ledger's main: settings, PostgreSQL, plans, services; serve; stop."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg

from ledger.migrations import check_migrated
from ledger.service.keys import KeyService
from ledger.service.plans import PlanService
from ledger.service.policy import PolicyService
from ledger.service.tenants import TenantService
from ledger.service.usage import UsageService
from ledger.store.bell import Bell, BellRinger
from ledger.store.installation import agree_on_partitions
from ledger.store.keys import KeyStore
from ledger.store.plans import read_catalogue, store_catalogue
from ledger.store.policy import PolicyStore
from ledger.store.tenants import TenantStore
from ledger.store.trouble import UNREACHABLE
from ledger.store.usage import UsageStore
from ledger.upkeep.outbox import OutboxPruner
from ledger.upkeep.partitions import PartitionMaker
from ledger.upkeep.periods import PeriodRoller
from ledger.upkeep.repeat import repeat
from tollkeeper.api.ledger.v1 import (
    keys_pb2,
    keys_pb2_grpc,
    plans_pb2,
    plans_pb2_grpc,
    tenants_pb2,
    tenants_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
)
from tollkeeper.api.policy.v1 import policy_pb2, policy_pb2_grpc
from tollkeeper.runtime.clock import system_clock
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.grpc_server import serve_grpc
from tollkeeper.runtime.postgres import open_pool, redacted
from tollkeeper.runtime.probes import Readiness, probe_application, serve_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import grpc

    from ledger.domain.catalogue import Catalogue
    from ledger.settings import LedgerSettings

_SERVICES = [
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (tenants_pb2, "TenantService"),
        (keys_pb2, "KeyService"),
        (plans_pb2, "PlanService"),
        (usage_pb2, "UsageService"),
        (policy_pb2, "PolicyService"),
    )
]

# No call is in flight any more, so this is a few goodbyes; a PostgreSQL that hangs gets none.
_CLOSE_SECONDS = 2.0


async def serve(settings: LedgerSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises OperatorError for what keeps the ledger from starting."""
    catalogue = read_catalogue(settings.plans_file)
    readiness = Readiness()
    bell = Bell()
    async with (
        serve_http(probe_application(readiness), settings.ledger_metrics_listen),
        _prepared_pool(settings, catalogue) as pool,
        serve_grpc(
            settings.ledger_listen,
            _register(pool, settings, catalogue, bell, stop),
            _SERVICES,
            drain_timeout_seconds=settings.drain_timeout_seconds,
        ),
        _background(pool, settings, bell, readiness, stop),
    ):
        readiness.ready()
        await stop.wait()
        readiness.not_ready("process", "stopping")
        # Watchers would otherwise sleep through their last moment.
        bell.ring()


@asynccontextmanager
async def _prepared_pool(
    settings: LedgerSettings, catalogue: Catalogue
) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(
        settings.postgres_url,
        application_name="tollkeeper-ledger",
        wait_seconds=settings.start_timeout_seconds,
    )
    try:
        try:
            await check_migrated(pool)
            await agree_on_partitions(pool, settings.partitions)
            await store_catalogue(pool, catalogue)
            # Whoever holds the lock (a backup, say) is no reason not to start: it is tried again.
            with suppress(asyncpg.LockNotAvailableError):
                await PartitionMaker(pool, system_clock).run_once()
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise OperatorError(
                f"PostgreSQL at {redacted(settings.postgres_url)} failed at start: {error}"
            ) from error
        yield pool
    finally:
        # Cancelled, asyncpg closes the hard way.
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), _CLOSE_SECONDS)


@asynccontextmanager
async def _background(
    pool: asyncpg.Pool,
    settings: LedgerSettings,
    bell: Bell,
    readiness: Readiness,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(BellRinger(settings.postgres_url, bell, readiness).run(stop)),
            tasks.create_task(repeat(PartitionMaker(pool, system_clock), stop)),
            tasks.create_task(repeat(PeriodRoller(pool, system_clock), stop)),
            tasks.create_task(repeat(OutboxPruner(pool, system_clock), stop)),
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def _register(
    pool: asyncpg.Pool,
    settings: LedgerSettings,
    catalogue: Catalogue,
    bell: Bell,
    stop: asyncio.Event,
) -> Callable[[grpc.aio.Server], None]:
    clock, choice = system_clock, secrets.choice
    tenants, keys, usage = TenantStore(pool), KeyStore(pool), UsageStore(pool)

    def register(server: grpc.aio.Server) -> None:
        tenants_pb2_grpc.add_TenantServiceServicer_to_server(
            TenantService(tenants, catalogue, settings.partitions, clock, choice), server
        )
        keys_pb2_grpc.add_KeyServiceServicer_to_server(
            KeyService(tenants, keys, clock, choice), server
        )
        plans_pb2_grpc.add_PlanServiceServicer_to_server(PlanService(catalogue), server)
        usage_pb2_grpc.add_UsageServiceServicer_to_server(
            UsageService(tenants, usage, catalogue, clock), server
        )
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(
            PolicyService(
                store=PolicyStore(pool),
                bell=bell,
                partitions=settings.partitions,
                clock=clock,
                stop=stop,
            ),
            server,
        )

    return register
