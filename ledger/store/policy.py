"""What the gate must know, read from PostgreSQL without missing a late commit.

A transaction takes its number (xid) when it first writes, yet commits when it likes, so "all after
number N" would skip one that is numbered below N and commits later. A look therefore asks for what
is visible now and was not visible in the snapshot of the look before. The position that a watcher
keeps is that snapshot's xmin, the lowest number still running: every commit below it has been seen.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ledger.store.queries import queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

# Large enough that the round trips do not count, small enough for a message of some 100 KB.
CHUNK = 500
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class TenantRow(NamedTuple):
    id: str
    plan_id: str
    status: str
    partition: int
    version: int
    plan_document: str


class KeyRow(NamedTuple):
    id: str
    tenant_id: str
    sha256: bytes
    status: str
    scopes: list[str]
    expires_at: datetime | None
    version: int
    partition: int


class UsageRow(NamedTuple):
    tenant_id: str
    metric: str
    period_start: datetime
    used_units: int
    carried_units: int
    version: int
    partition: int


PolicyRow = TenantRow | KeyRow | UsageRow


class UsageSubject(NamedTuple):
    tenant_id: str
    metric: str
    period_start: datetime


@dataclass
class Changed:
    """Which subjects changed, and when the first of them did."""

    usage: list[UsageSubject]
    tenants: list[str]
    keys: list[str]
    since: datetime | None


class PolicyStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def look(self) -> AsyncIterator[PolicyLook]:
        """One consistent look at everything, in a transaction of its own."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            view = await queries.policy_view(connection)
            yield PolicyLook(connection, **view)


@dataclass(frozen=True)
class PolicyLook:
    connection: asyncpg.Connection
    snapshot: str
    """For `changed` of a later look."""
    position: int
    """All that committed below it is visible here."""
    position_next: int
    """The number that the next transaction gets."""
    pruned_below: int
    """The outbox is complete only from here on."""

    async def changed(self, seen: str) -> Changed:
        """What was committed since the snapshot `seen`."""
        changed = Changed([], [], [], None)
        async for row in queries.policy_changes(self.connection, seen=seen):
            match row["kind"]:
                case "usage":
                    changed.usage.append(
                        UsageSubject(row["tenant_id"], row["subject"], row["period_start"])
                    )
                case "tenant":
                    changed.tenants.append(row["subject"])
                case _:
                    changed.keys.append(row["subject"])
            changed.since = min(changed.since or row["changed_at"], row["changed_at"])
        return changed

    # The gate hears of usage before tenants and of tenants before keys: from the moment that it
    # knows a key, it knows all that decides about its calls.

    async def rows_of(self, changed: Changed) -> AsyncIterator[Sequence[PolicyRow]]:
        """The present rows of these subjects, in chunks."""
        for usage in _chunks(changed.usage):
            yield await self._usage(usage)
        for tenants in _chunks(changed.tenants):
            yield await self._tenants(tenants)
        for keys in _chunks(changed.keys):
            yield await self._keys(keys)

    async def everything(self, usage_since: datetime) -> AsyncIterator[Sequence[PolicyRow]]:
        """All present rows, in chunks; totals only of periods that began then or later."""
        last = UsageSubject("", "", _LONG_AGO)
        while usage := await self._page_of_usage(last, usage_since):
            yield await self._usage(usage)
            last = usage[-1]
        tenant_id = ""
        while tenants := await self._page(queries.page_of_tenants, tenant_id):
            yield await self._tenants(tenants)
            tenant_id = tenants[-1]
        key_id = ""
        while keys := await self._page(queries.page_of_keys, key_id):
            yield await self._keys(keys)
            key_id = keys[-1]

    async def _page_of_usage(self, last: UsageSubject, since: datetime) -> list[UsageSubject]:
        rows = queries.page_of_usage(
            self.connection,
            after_tenant_id=last.tenant_id,
            after_metric=last.metric,
            after_period_start=last.period_start,
            since=since,
            limit=CHUNK,
        )
        return [UsageSubject(*row) async for row in rows]

    async def _page(self, query: Any, after_id: str) -> list[str]:
        rows = query(self.connection, after_id=after_id, limit=CHUNK)
        return [row["id"] async for row in rows]

    async def _usage(self, subjects: Sequence[UsageSubject]) -> list[UsageRow]:
        tenant_ids, metrics, period_starts = (
            list(column) for column in zip(*subjects, strict=True)
        )
        rows = queries.usage_settled(
            self.connection, tenant_ids=tenant_ids, metrics=metrics, period_starts=period_starts
        )
        return [UsageRow(**row) async for row in rows]

    async def _tenants(self, ids: Sequence[str]) -> list[TenantRow]:
        return [TenantRow(**row) async for row in queries.tenant_policies(self.connection, ids=ids)]

    async def _keys(self, ids: Sequence[str]) -> list[KeyRow]:
        return [KeyRow(**row) async for row in queries.key_policies(self.connection, ids=ids)]


def _chunks(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
