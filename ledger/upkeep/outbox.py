"""Forgets policy changes that every courier has long since heard of."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.store.queries import queries

if TYPE_CHECKING:
    import asyncpg

    from tollkeeper.runtime.clock import Clock

# A courier that was away for longer gets a snapshot instead, which costs no more by then.
_KEEP = timedelta(hours=1)
# Some tens of milliseconds of deleting; recording goes on in between.
_CHUNK = 10_000


class OutboxPruner:
    name = "outbox"
    every_seconds = 60.0

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Returns how many changes were forgotten."""
        older_than = self._clock() - _KEEP
        pruned = 0
        while chunk := await queries.prune_outbox(self._pool, older_than=older_than, limit=_CHUNK):
            pruned += chunk
        return pruned
