"""Wakes the watchers when PostgreSQL says that policies changed.

Only a hint: a notification may be lost with its connection, so watchers look from time to time
without one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ledger.store.trouble import UNREACHABLE
from tollkeeper.runtime.lifecycle import backoff_sleep

if TYPE_CHECKING:
    from tollkeeper.runtime.probes import Readiness

log = structlog.get_logger(__name__)

_CHANNEL = "ledger_policy"
_RETRY_SECONDS = 0.5
_CONNECT_TIMEOUT_SECONDS = 5
# A connection whose other end vanished without a word is noticed after this long.
_CHECK_SECONDS = 5


class Bell:
    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake all who hold a ticket of before."""
        self._rung.set()
        self._rung = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        """Take it before looking and wait for it afterwards: no ring in between is missed."""
        return self._rung


class BellRinger:
    """Listens on a connection of its own and rings; says in `readiness` whether it can."""

    def __init__(self, url: str, bell: Bell, readiness: Readiness) -> None:
        self._url = url
        self._bell = bell
        self._readiness = readiness

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._listen(stop)
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                self._readiness.not_ready("postgres", "PostgreSQL does not answer")
                log.warning("listening to PostgreSQL failed, again", error=repr(error))
                await backoff_sleep(stop, _RETRY_SECONDS)

    async def _listen(self, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=_CONNECT_TIMEOUT_SECONDS,
            command_timeout=_CHECK_SECONDS,
            server_settings={"application_name": "tollkeeper-ledger-bell"},
        )
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(_CHANNEL, lambda *_: self._bell.ring())
            # What was rung while nobody listened.
            self._bell.ring()
            self._readiness.ready("postgres")
            while not stop.is_set() and not lost.is_set():
                await _first(stop, lost, _CHECK_SECONDS)
                await connection.execute("SELECT 1")
        finally:
            connection.terminate()


async def _first(stop: asyncio.Event, lost: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (stop, lost)]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
