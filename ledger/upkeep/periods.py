"""Tells the gate of the period after next when a new one has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.domain.period import start_of_period
from ledger.store.queries import queries

if TYPE_CHECKING:
    import asyncpg

    from tollkeeper.runtime.clock import Clock

# The gate already knows the period that begins, so there is no hurry and no need for a big bang.
_CHUNK = 500


class PeriodRoller:
    name = "periods"
    every_seconds = 30.0

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Returns how many tenants were announced anew."""
        period_start = start_of_period(self._clock())
        announced = 0
        while chunk := await queries.announce_period(
            self._pool, period_start=period_start, limit=_CHUNK
        ):
            announced += chunk
        return announced
