"""One watcher of policy changes: looks, sends, waits for the bell."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ledger import metrics
from ledger.domain.period import period_of, previous_period
from ledger.domain.refusal import Refusal, invalid
from ledger.service.projection import policy_change
from ledger.store.trouble import UNREACHABLE
from tollkeeper.api.policy.v1 import policy_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ledger.store.bell import Bell
    from ledger.store.policy import PolicyLook, PolicyRow, PolicyStore
    from tollkeeper.runtime.clock import Clock

log = structlog.get_logger(__name__)

# What a lost notification may cost: the contract promises the gate a change within a second.
_LOOK_SECONDS = 0.5
# The contract promises five; a busy machine may take its time over one.
_HEARTBEAT_SECONDS = 2.0
# A crash of PostgreSQL forgets transactions that rolled back just before, and hands their numbers
# out again: below a position that was sent already. Who resumes therefore goes back by more
# transactions than fit in the moment that PostgreSQL may forget. Hearing twice does no harm.
RESUME_MARGIN = 1_000


class Watcher:
    def __init__(
        self,
        *,
        store: PolicyStore,
        bell: Bell,
        clock: Clock,
        send: Callable[[policy_pb2.WatchResponse], Awaitable[None]],
        after_position: int,
        resume_margin: int,
    ) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._send = send
        self._position = after_position
        self._resume_margin = resume_margin
        # The snapshot of the last look; None when only the position is known.
        self._seen: str | None = None
        self._sent_at = -math.inf

    async def run(self, stop: asyncio.Event) -> Refusal | None:
        """Send changes until told to stop; return why the position makes no sense, if so."""
        while not stop.is_set():
            ticket = self._bell.ticket()
            try:
                async with self._store.look() as look:
                    if self._position > look.position_next + self._resume_margin:
                        return invalid(f"position {self._position} is not of this database")
                    await self._tell(look)
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning("looking for policy changes failed, again", error=repr(error))
                self._seen = None
                await self._heartbeat(position=0)
            await _wait(ticket, _LOOK_SECONDS)
        return None

    async def _tell(self, look: PolicyLook) -> None:
        seen = self._seen or _resume_from(look, self._position, self._resume_margin)
        if seen is None:
            since = previous_period(period_of(self._clock())).start
            await self._send_rows(look.everything(since), look.position)
        elif (changed := await look.changed(seen)).since is not None:
            await self._send_rows(look.rows_of(changed), look.position)
            lag = self._clock() - changed.since
            metrics.POLICY_LAG_SECONDS.observe(lag.total_seconds())
        else:
            await self._heartbeat(look.position)
        self._position = look.position
        self._seen = look.snapshot

    async def _send_rows(self, chunks: AsyncIterator[Sequence[PolicyRow]], position: int) -> None:
        now = self._clock()
        # Only the last message may carry the position: whoever resumes from it has them all.
        last = policy_pb2.WatchResponse()
        async for rows in chunks:
            if last.changes:
                await self._send_message(last)
            last = policy_pb2.WatchResponse(changes=[policy_change(row, now) for row in rows])
        last.position = position
        await self._send_message(last)

    async def _heartbeat(self, position: int) -> None:
        if time.monotonic() - self._sent_at >= _HEARTBEAT_SECONDS:
            await self._send_message(policy_pb2.WatchResponse(position=position))

    async def _send_message(self, message: policy_pb2.WatchResponse) -> None:
        await self._send(message)
        self._sent_at = time.monotonic()


def _resume_from(look: PolicyLook, position: int, margin: int) -> str | None:
    """A snapshot that has seen all below the position; None when only everything will do."""
    if position < look.pruned_below:
        return None
    start = max(position - margin, look.pruned_below)
    return f"{start}:{start}:"


async def _wait(ticket: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(ticket.wait(), seconds)
    except TimeoutError:
        return
