from __future__ import annotations

import asyncio
from importlib.resources import files

import asyncpg

from ledger.migrations import migrate_database
from tests.support.ledger_process import query
from tests.support.schema import dump


async def test_schema_sql_equals_all_migrations(postgres_url: str) -> None:
    await migrate_database(postgres_url)
    migrated = await asyncio.to_thread(dump, postgres_url)

    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("DROP SCHEMA ledger CASCADE")
        await connection.execute(files("ledger").joinpath("sql/schema.sql").read_text())
    finally:
        await connection.close()

    assert "ledger.policy_outbox" in migrated
    assert await asyncio.to_thread(dump, postgres_url) == migrated


async def test_a_second_migration_applies_nothing(postgres_url: str) -> None:
    assert await migrate_database(postgres_url) == ["0001_first_shape.pre.sql"]
    assert await migrate_database(postgres_url) == []


async def test_no_way_of_changing_a_subject_escapes_the_projection(postgres_url: str) -> None:
    await migrate_database(postgres_url)
    tenant, key = f"tn_{'0' * 20}", f"key_{'0' * 20}"

    await query(
        postgres_url,
        "INSERT INTO ledger.plans VALUES ('p', sha256(''), '{}')",
    )
    await query(
        postgres_url,
        "INSERT INTO ledger.tenants (id, name, plan_id, partition, announced_period) "
        "VALUES ($1, 'acme', 'p', 0, now())",
        tenant,
    )
    await query(
        postgres_url,
        "INSERT INTO ledger.api_keys (id, tenant_id, sha256, hint, name, environment, scopes) "
        "VALUES ($1, $2, sha256(''), '', '', 'live', '{*}')",
        key,
        tenant,
    )
    await query(
        postgres_url,
        "INSERT INTO ledger.usage_totals VALUES ($1, 'api_calls', '2025-11-01Z', 1, 1)",
        tenant,
    )
    for table in ("tenants", "api_keys", "usage_totals"):
        await query(postgres_url, f"UPDATE ledger.{table} SET version = 0")  # noqa: S608 - ours

    told = await query(
        postgres_url, "SELECT kind, subject FROM ledger.policy_outbox ORDER BY kind, subject"
    )
    assert told == [
        ("key", key),
        ("key", key),
        ("tenant", tenant),
        ("tenant", tenant),
        ("usage", "api_calls"),
        ("usage", "api_calls"),
    ]
    [(lowest,)] = await query(
        postgres_url,
        "SELECT min(version) FROM (SELECT version FROM ledger.tenants UNION ALL "
        "SELECT version FROM ledger.api_keys UNION ALL SELECT version FROM ledger.usage_totals) v",
    )
    assert lowest > 3, "a version is given, never taken"
