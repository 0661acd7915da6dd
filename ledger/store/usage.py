"""Usage in PostgreSQL: recorded at most once, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from ledger.domain.usage import (
    Content,
    Identity,
    Outcome,
    UsageEvent,
    sum_by_minute,
    sum_by_period,
)
from ledger.store.queries import queries
from ledger.store.trouble import COLLISION

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

log = structlog.get_logger(__name__)

# All batches lock in the same order, so even one collision is a surprise (a person's own
# transaction, say). Three in a row are trouble that the caller should hear of.
_ATTEMPTS = 3
# An event on its way to the default partition finds, once it may go in, that its day has been given
# a partition of its own meanwhile; PostgreSQL then calls it a violated constraint.
_AGAIN = (*COLLISION, asyncpg.CheckViolationError)


class UsageStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(self, events: Sequence[UsageEvent]) -> list[Outcome]:
        """Record sound events in one transaction: one outcome for each, in their order."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    return await _record(connection, events)
            except _AGAIN as error:
                if attempt == _ATTEMPTS:
                    raise
                log.warning("usage batch collided, again", error=repr(error))
        raise AssertionError  # the last attempt returned or raised

    async def used(self, tenant_id: str, period_start: datetime) -> dict[str, int]:
        """Units used by metric, ordered by metric."""
        rows = queries.used_in_period(self._pool, tenant_id=tenant_id, period_start=period_start)
        return {row["metric"]: row["used_units"] async for row in rows}


async def _record(connection: asyncpg.Connection, events: Sequence[UsageEvent]) -> list[Outcome]:
    tenants = await _known_tenants(connection, {event.tenant_id for event in events})
    first: dict[Identity, UsageEvent] = {}
    for event in events:
        if event.tenant_id in tenants:
            first.setdefault(event.identity, event)
    new = await _insert(connection, list(first.values()))
    await _add_up(connection, [first[identity] for identity in new])
    stored = {identity: first[identity].content for identity in new}
    stored |= await _stored(connection, first.keys() - new)
    return [_outcome(event, tenants, first, new, stored) for event in events]


def _outcome(
    event: UsageEvent,
    tenants: set[str],
    first: dict[Identity, UsageEvent],
    new: set[Identity],
    stored: dict[Identity, Content],
) -> Outcome:
    if event.tenant_id not in tenants:
        return Outcome.UNKNOWN_TENANT
    identity = event.identity
    if identity in new and first[identity] is event:
        return Outcome.RECORDED
    same = stored[identity] == event.content
    return Outcome.EXISTS if same else Outcome.EXISTS_DIFFERENT


async def _known_tenants(connection: asyncpg.Connection, ids: set[str]) -> set[str]:
    return {row["id"] async for row in queries.known_tenants(connection, ids=list(ids))}


async def _insert(connection: asyncpg.Connection, events: Sequence[UsageEvent]) -> set[Identity]:
    if not events:
        return set()
    tenant_ids, sources, ids, key_ids, metrics, units, reserved, moments, request_ids, unsettled = (
        _columns(events)
    )
    rows = queries.insert_usage_events(
        connection,
        tenant_ids=tenant_ids,
        sources=sources,
        ids=ids,
        key_ids=key_ids,
        metrics=metrics,
        units=units,
        reserved_units=reserved,
        moments=moments,
        request_ids=request_ids,
        unsettled=unsettled,
    )
    return {Identity(*row) async for row in rows}


async def _stored(
    connection: asyncpg.Connection, identities: Collection[Identity]
) -> dict[Identity, Content]:
    if not identities:
        return {}
    tenant_ids, sources, ids, days = _columns(identities)
    rows = queries.stored_usage_events(
        connection, tenant_ids=tenant_ids, sources=sources, ids=ids, days=days
    )
    return {
        Identity(row["tenant_id"], row["source"], row["id"], row["occurred_on"]): Content(
            row["metric"], row["key_id"], row["units"]
        )
        async for row in rows
    }


async def _add_up(connection: asyncpg.Connection, events: Sequence[UsageEvent]) -> None:
    if not events:
        return
    tenant_ids, metrics, minutes, units = _columns(sum_by_minute(events))
    await queries.add_usage_minutes(
        connection, tenant_ids=tenant_ids, metrics=metrics, minutes=minutes, units=units
    )
    tenant_ids, metrics, period_starts, used, carried = _columns(sum_by_period(events))
    await queries.add_usage_totals(
        connection,
        tenant_ids=tenant_ids,
        metrics=metrics,
        period_starts=period_starts,
        used_units=used,
        carried_units=carried,
    )


def _columns(rows: Collection[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
