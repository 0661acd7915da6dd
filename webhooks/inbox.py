"""The inbox of provider events, watched: how much is in it, and whether PostgreSQL answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import structlog
from prometheus_client import Gauge

from tollkeeper.runtime.lifecycle import backoff_sleep
from webhooks.queries import queries

if TYPE_CHECKING:
    from tollkeeper.runtime.probes import Readiness

log = structlog.get_logger(__name__)

STATUSES = ("received", "processing", "done", "dead")
# Balancers probe every few seconds: slower would tell them late, faster only costs queries.
_INTERVAL_SECONDS = 2.0
# The count reads an index; longer than this means that PostgreSQL does not answer.
_TIMEOUT_SECONDS = 2.0
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_events = Gauge(
    "tollkeeper_webhooks_inbox_events", "Provider events in the inbox, by status.", ["status"]
)


class InboxWatch:
    """Counts the inbox into gauges; the process is ready as long as that succeeds."""

    def __init__(self, pool: asyncpg.Pool, readiness: Readiness) -> None:
        self._pool = pool
        self._readiness = readiness
        self._answering = True

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.run_once()
            await backoff_sleep(stop, _INTERVAL_SECONDS)

    async def run_once(self) -> None:
        """Count once. When PostgreSQL does not answer, the gauges keep what they had."""
        try:
            counts = await self._count()
        except _TROUBLE as error:
            self._lost(error)
            return
        for status in STATUSES:
            _events.labels(status).set(counts.get(status, 0))
        self._found()

    async def _count(self) -> dict[str, int]:
        # Both limits are needed: giving a connection back waits until the server confirms that the
        # query is cancelled, which a frozen server never does. That wait has the acquire's timeout.
        async with (
            self._pool.acquire(timeout=_TIMEOUT_SECONDS) as connection,
            asyncio.timeout(_TIMEOUT_SECONDS),
        ):
            rows = queries.count_inbox_by_status(connection)
            return {row["status"]: row["events"] async for row in rows}

    def _lost(self, error: Exception) -> None:
        self._readiness.not_ready("postgres", "PostgreSQL does not answer")
        if self._answering:
            log.warning("postgres_lost", error=repr(error))
        self._answering = False

    def _found(self) -> None:
        self._readiness.ready("postgres")
        if not self._answering:
            log.info("postgres_found")
        self._answering = True
