from __future__ import annotations

import asyncio
from importlib.resources import files

import asyncpg
import pytest

from tests.support.schema import dump
from tollkeeper.runtime.errors import OperatorError
from webhooks.migrations import migrate_database, verify_migrated

_SQL = files("webhooks") / "sql"


async def test_schema_sql_equals_all_migrations(postgres_url: str) -> None:
    await migrate_database(postgres_url)
    migrated = await asyncio.to_thread(dump, postgres_url)

    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("DROP SCHEMA webhooks CASCADE")
        await connection.execute((_SQL / "schema.sql").read_text())
    finally:
        await connection.close()

    assert "webhooks.inbox" in migrated
    assert await asyncio.to_thread(dump, postgres_url) == migrated


async def test_a_second_migration_applies_nothing(postgres_url: str) -> None:
    assert await migrate_database(postgres_url) == ["0001_inbox.pre.sql"]
    assert await migrate_database(postgres_url) == []


async def test_migrations_at_the_same_time_apply_each_file_once(postgres_url: str) -> None:
    applied = await asyncio.gather(*(migrate_database(postgres_url) for _ in range(3)))

    assert sorted(applied) == [[], [], ["0001_inbox.pre.sql"]]


async def test_a_migrated_database_is_accepted(postgres_url: str) -> None:
    await migrate_database(postgres_url)

    connection = await asyncpg.connect(postgres_url)
    try:
        await verify_migrated(connection)
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", ["SELECT 1", "CREATE SCHEMA webhooks"])
async def test_an_unmigrated_database_is_refused_with_the_remedy(
    postgres_url: str, statement: str
) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(statement)
        with pytest.raises(OperatorError, match=r"0001_inbox.*run `tollkeeper migrate`"):
            await verify_migrated(connection)
    finally:
        await connection.close()


async def test_a_refused_migration_is_one_line_and_leaves_nothing_half_done(
    postgres_url: str,
) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("CREATE SCHEMA webhooks; CREATE TABLE webhooks.inbox ()")
        with pytest.raises(OperatorError, match='schema webhooks: relation "inbox" already exists'):
            await migrate_database(postgres_url)
        await connection.execute("DROP TABLE webhooks.inbox")
    finally:
        await connection.close()

    assert await migrate_database(postgres_url) == ["0001_inbox.pre.sql"]


async def test_migrating_names_the_address_when_nothing_answers(free_url: str) -> None:
    with pytest.raises(OperatorError, match=r"does not answer at postgresql://127\.0\.0\.1"):
        await migrate_database(free_url, wait_seconds=0.1)
