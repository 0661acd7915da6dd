"""Background work: once at start, then again and again, whatever goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import asyncpg
import structlog

from ledger import metrics
from ledger.store.trouble import UNREACHABLE
from tollkeeper.runtime.lifecycle import backoff_sleep

if TYPE_CHECKING:
    import asyncio

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0


class Upkeep(Protocol):
    name: str
    every_seconds: float

    async def run_once(self) -> int:
        """Do what is due; return how much it was."""
        ...


async def repeat(upkeep: Upkeep, stop: asyncio.Event) -> None:
    """Run until told to stop. Trouble with PostgreSQL is logged, counted and tried again."""
    while not stop.is_set():
        wait_seconds = upkeep.every_seconds
        try:
            done = await upkeep.run_once()
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            metrics.UPKEEP_FAILURES.labels(upkeep.name).inc()
            log.warning("upkeep failed, again soon", task=upkeep.name, error=repr(error))
            wait_seconds = min(_RETRY_SECONDS, wait_seconds)
        else:
            if done:
                log.info("upkeep", task=upkeep.name, done=done)
        await backoff_sleep(stop, wait_seconds)
