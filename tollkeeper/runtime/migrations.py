"""Ordered SQL migrations, applied once each under an advisory lock.

A file is named `NNNN_what.pre.sql` (safe while the old code still runs) or `NNNN_what.post.sql`
(needs the new code). What was applied is kept in `<schema>.migrations` with a checksum, so that a
file edited after the fact is noticed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import asyncpg

log = structlog.get_logger(__name__)

Phase = Literal["pre", "post"]
_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.(?P<phase>pre|post)\.sql")


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    phase: Phase
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Traversable) -> list[Migration]:
    """All migrations of a folder in order. Raises OperatorError on a misnamed or doubled number."""
    found: dict[int, Migration] = {}
    for file in folder.iterdir():
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise OperatorError(f"migration {file.name}: must be NNNN_what.pre.sql or .post.sql")
        number = int(match["number"])
        if number in found:
            raise OperatorError(f"migrations {found[number].name} and {file.name} share a number")
        phase: Phase = "pre" if match["phase"] == "pre" else "post"
        found[number] = Migration(number, file.name, phase, file.read_text())
    return [found[number] for number in sorted(found)]


async def migrate(
    connection: asyncpg.Connection,
    schema: str,
    migrations: list[Migration],
    phases: tuple[Phase, ...] = ("pre", "post"),
) -> list[str]:
    """Apply what is missing, in order, each in a transaction; return the names applied.

    Raises OperatorError when an applied file has changed since.
    """
    await connection.execute("SELECT pg_advisory_lock(hashtext($1))", f"tollkeeper:{schema}")
    try:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {schema}.migrations ("
            "number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch(
            f"SELECT number, checksum FROM {schema}.migrations"  # noqa: S608 - our own constant
        )
        applied = {row["number"]: row["checksum"] for row in rows}
        return [
            migration.name
            for migration in migrations
            if migration.phase in phases
            and await _apply(connection, schema, migration, applied.get(migration.number))
        ]
    finally:
        await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", f"tollkeeper:{schema}")


async def _apply(
    connection: asyncpg.Connection, schema: str, migration: Migration, checksum: str | None
) -> bool:
    if checksum == migration.checksum:
        return False
    if checksum is not None:
        raise OperatorError(
            f"migration {migration.name} was changed after it was applied: restore the file and "
            "write a new migration instead"
        )
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            f"INSERT INTO {schema}.migrations (number, name, checksum) VALUES ($1, $2, $3)",  # noqa: S608
            migration.number,
            migration.name,
            migration.checksum,
        )
    log.info("migrated", schema=schema, migration=migration.name)
    return True
