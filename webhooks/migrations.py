"""The schema `webhooks`: bringing a database up to date, and refusing one that is behind."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.migrations import Migration, migrate, read_migrations
from tollkeeper.runtime.postgres import open_pool
from webhooks.queries import queries

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_SCHEMA = "webhooks"


async def migrate_database(url: str, *, wait_seconds: float = 15.0) -> list[str]:
    """Apply what is missing; return the names applied. Safe to repeat and to race.

    Raises OperatorError when PostgreSQL does not answer or refuses, or an applied file was changed.
    """
    pool = await open_pool(
        url, application_name="tollkeeper-migrate", wait_seconds=wait_seconds, size_max=1
    )
    try:
        async with pool.acquire() as connection:
            return await migrate(connection, _SCHEMA, _packaged())
    except asyncpg.PostgresError as error:
        raise OperatorError(f"PostgreSQL refuses to migrate schema {_SCHEMA}: {error}") from error
    finally:
        await pool.close()


async def verify_migrated(connection: PoolConnectionProxy) -> None:
    """Raises OperatorError when the database lacks a migration that this code needs.

    Those of phase `post` need this code first, so they may still be missing.
    """
    try:
        applied = {row["number"] async for row in queries.list_applied_migrations(connection)}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        applied = set()
    except asyncpg.PostgresError as error:
        raise OperatorError(f"PostgreSQL refuses to read schema {_SCHEMA}: {error}") from error
    missing = [
        migration.name
        for migration in _packaged()
        if migration.phase == "pre" and migration.number not in applied
    ]
    if missing:
        raise OperatorError(
            f"the database lacks migrations of schema {_SCHEMA} ({', '.join(missing)}): "
            "run `tollkeeper migrate`"
        )


def _packaged() -> list[Migration]:
    return read_migrations(files("webhooks") / "sql" / "migrations")
