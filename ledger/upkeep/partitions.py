"""Makes tomorrow's partitions before tomorrow comes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.store.queries import queries

if TYPE_CHECKING:
    import asyncpg

    from tollkeeper.runtime.clock import Clock

# A ledger that was down for a week still finds its partition; past that the default one serves.
_DAYS_AHEAD = timedelta(days=7)


class PartitionMaker:
    name = "partitions"
    # More often than daily, so that a failure is made good long before the day it was for.
    every_seconds = 3_600.0

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Returns how many partitions were made."""
        today = self._clock().date()
        made: int = await queries.create_usage_partitions(
            self._pool, first_day=today, last_day=today + _DAYS_AHEAD
        )
        return made
