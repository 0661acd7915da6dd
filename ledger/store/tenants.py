"""Tenants in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.domain.tenant import Tenant
from ledger.store.queries import queries

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from ledger.domain.tenant import TenantStatus


class TenantStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def open(
        self, tenant_id: str, name: str, plan_id: str, partition: int, period_start: datetime
    ) -> Tenant | None:
        """The new tenant, or None when the name is taken."""
        row = await queries.insert_tenant(
            self._pool,
            id=tenant_id,
            name=name,
            plan_id=plan_id,
            partition=partition,
            announced_period=period_start,
        )
        return None if row is None else Tenant(**row)

    async def find(self, reference: str) -> Tenant | None:
        """By id or by name."""
        # PostgreSQL stores no NUL, hence no tenant has one in its name.
        if "\0" in reference:
            return None
        row = await queries.find_tenant(self._pool, reference=reference.strip())
        return None if row is None else Tenant(**row)

    async def page(self, after: tuple[datetime, str], size: int) -> list[Tenant]:
        """At most `size` tenants, oldest first, that come after a (created_at, id)."""
        created_at, tenant_id = after
        rows = queries.list_tenants(
            self._pool, after_created_at=created_at, after_id=tenant_id, limit=size
        )
        return [Tenant(**row) async for row in rows]

    async def set_status(self, tenant_id: str, status: TenantStatus) -> None:
        await queries.set_tenant_status(self._pool, id=tenant_id, status=status)

    async def set_plan(self, tenant_id: str, plan_id: str) -> None:
        await queries.set_tenant_plan(self._pool, id=tenant_id, plan_id=plan_id)
