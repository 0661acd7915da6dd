from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest
from prometheus_client import REGISTRY

from tests.support.relay import Relay, relay_to
from tollkeeper.runtime.probes import Readiness
from webhooks.inbox import STATUSES, InboxWatch
from webhooks.migrations import migrate_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_INSERT = """
    INSERT INTO webhooks.inbox
        (provider, event_id, type, payload, status, next_attempt_at, last_error)
    VALUES ($1, $2, 'invoice.paid', '{}', $3,
            CASE WHEN $3 IN ('received', 'processing') THEN now() END,
            CASE WHEN $3 = 'dead' THEN 'refused' END)
"""


@pytest.fixture
async def migrated_url(postgres_url: str) -> str:
    await migrate_database(postgres_url)
    return postgres_url


@pytest.fixture
async def relay(migrated_url: str) -> AsyncIterator[Relay]:
    parts = urlsplit(migrated_url)
    async with relay_to(parts.hostname or "127.0.0.1", parts.port or 5432) as relay:
        yield relay


@pytest.fixture
async def pool(migrated_url: str, relay: Relay) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(
        migrated_url, host="127.0.0.1", port=relay.port, min_size=1, max_size=2
    )
    yield pool
    pool.terminate()


async def test_each_status_is_counted(pool: asyncpg.Pool) -> None:
    rows = [("stripe", f"evt_{number}", "received") for number in range(3)]
    rows += [("fondy", "evt_0", "done"), ("stripe", "evt_9", "dead")]
    await pool.executemany(_INSERT, rows)

    await InboxWatch(pool, Readiness()).run_once()

    assert counted() == {"received": 3, "processing": 0, "done": 1, "dead": 1}


async def test_a_status_that_empties_goes_back_to_zero(pool: asyncpg.Pool) -> None:
    watch = InboxWatch(pool, Readiness())
    await pool.execute(_INSERT, "stripe", "evt_1", "received")
    await watch.run_once()
    await pool.execute("UPDATE webhooks.inbox SET status = 'done', next_attempt_at = NULL")

    await watch.run_once()

    assert counted() == {"received": 0, "processing": 0, "done": 1, "dead": 0}


async def test_it_is_not_ready_while_postgres_is_gone_and_ready_when_it_is_back(
    pool: asyncpg.Pool, relay: Relay
) -> None:
    readiness = Readiness()
    watch = InboxWatch(pool, readiness)
    await watch.run_once()
    assert "postgres" not in readiness.reasons

    await relay.cut()
    await watch.run_once()
    assert readiness.reasons["postgres"] == "PostgreSQL does not answer"

    await relay.open()
    await watch.run_once()
    assert "postgres" not in readiness.reasons


async def test_a_frozen_postgres_is_noticed_and_survived(pool: asyncpg.Pool, relay: Relay) -> None:
    readiness = Readiness()
    watch = InboxWatch(pool, readiness)
    await watch.run_once()

    relay.freeze()
    await watch.run_once()
    assert "postgres" in readiness.reasons

    relay.thaw()
    await watch.run_once()
    assert "postgres" not in readiness.reasons


async def test_an_event_delivered_twice_is_stored_once(pool: asyncpg.Pool) -> None:
    await pool.execute(_INSERT, "stripe", "evt_1", "received")
    await pool.execute(_INSERT, "fondy", "evt_1", "received")

    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(_INSERT, "stripe", "evt_1", "received")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("provider = 'paypal'", "inbox_provider_known"),
        ("event_id = ''", "inbox_event_id_sane"),
        ("type = ''", "inbox_type_sane"),
        ("status = 'lost', next_attempt_at = NULL", "inbox_status_known"),
        ("attempts = -1", "inbox_attempts_not_negative"),
        ("next_attempt_at = NULL", "inbox_open_has_next_attempt"),
        ("status = 'done'", "inbox_open_has_next_attempt"),
        ("status = 'dead', next_attempt_at = NULL", "inbox_dead_has_error"),
    ],
)
async def test_an_impossible_row_is_refused(
    pool: asyncpg.Pool, change: str, constraint: str
) -> None:
    await pool.execute(_INSERT, "stripe", "evt_1", "received")

    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await pool.execute(f"UPDATE webhooks.inbox SET {change}")  # noqa: S608 - a test's table


def counted() -> dict[str, float | None]:
    return {
        status: REGISTRY.get_sample_value("tollkeeper_webhooks_inbox_events", {"status": status})
        for status in STATUSES
    }
