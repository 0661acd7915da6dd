"""The ledger's schema: brought up to date by `tollkeeper migrate`, checked at every start."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from ledger.store.queries import queries
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.migrations import Migration, migrate, read_migrations
from tollkeeper.runtime.postgres import open_pool

if TYPE_CHECKING:
    import asyncpg

SCHEMA = "ledger"
# `migrate` runs beside a PostgreSQL that may just be starting.
_WAIT_SECONDS = 15.0


def ledger_migrations() -> list[Migration]:
    return read_migrations(files("ledger").joinpath("sql/migrations"))


async def migrate_database(url: str) -> list[str]:
    """Apply what is missing and return its names.

    Raises OperatorError when PostgreSQL does not answer or an applied migration was edited.
    """
    pool = await open_pool(
        url, application_name="tollkeeper-migrate", wait_seconds=_WAIT_SECONDS, size_max=1
    )
    try:
        async with pool.acquire() as connection:
            return await migrate(connection, SCHEMA, ledger_migrations())
    finally:
        await pool.close()


async def check_migrated(pool: asyncpg.Pool) -> None:
    """Raise OperatorError when the database lacks a migration that this code needs."""
    applied: set[int] = set()
    if await queries.migrations_known(pool):
        applied = {row["number"] async for row in queries.applied_migrations(pool)}
    # `post` migrations come after the new code has started, so it cannot need them.
    missing = [
        migration.name
        for migration in ledger_migrations()
        if migration.phase == "pre" and migration.number not in applied
    ]
    if missing:
        raise OperatorError(
            f"the database lacks {', '.join(missing)}: run `tollkeeper migrate` first"
        )
