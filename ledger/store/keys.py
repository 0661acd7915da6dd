"""API keys in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.domain.key import Key, KeyWish
from ledger.store.queries import queries

if TYPE_CHECKING:
    import asyncpg

    from tollkeeper.credential import Credential


class KeyStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, key_id: str, tenant_id: str, wish: KeyWish, credential: Credential) -> Key:
        row = await queries.insert_key(
            self._pool,
            id=key_id,
            tenant_id=tenant_id,
            sha256=credential.sha256,
            hint=credential.hint,
            name=wish.name,
            environment=wish.environment,
            scopes=list(wish.scopes),
            expires_at=wish.expires_at,
        )
        return _key(row)

    async def of_tenant(self, tenant_id: str) -> list[Key]:
        return [_key(row) async for row in queries.list_keys(self._pool, tenant_id=tenant_id)]

    async def revoke(self, key_id: str) -> Key | None:
        """The key, revoked now or before; None when there is none."""
        if "\0" in key_id:
            return None
        await queries.revoke_key(self._pool, id=key_id)
        row = await queries.find_key(self._pool, id=key_id)
        return None if row is None else _key(row)


def _key(row: Any) -> Key:
    return Key(**{**row, "scopes": tuple(row["scopes"])})
