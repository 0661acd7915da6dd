from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import grpc
import pytest
from redis.asyncio import Redis

from ledger.migrations import migrate_database
from tests.integration.courier.courier_process import running_courier
from tests.integration.courier.gate import State
from tests.integration.courier.site import Site
from tests.support.ledger_process import running as running_ledger
from tests.support.relay import Relay, relay_to
from tests.support.running import until_async
from tollkeeper.runtime.settings import split_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ledger.settings import LedgerSettings
    from tests.integration.courier.customer import Customer


async def test_a_batch_whose_answer_was_lost_is_booked_once(site: Site) -> None:
    customer = await site.customer()
    await site.gate.reserve_many(customer, 5)
    async with recording_held_up(site) as held_up, running_courier(site.settings()):
        await until_async(held_up.waits, 5)
        # The request went through; no answer will.
        site.wire.freeze()
        await held_up.let_go()
        await until_async(lambda: is_booked(site, customer, 5), 5)
        assert await site.charges_left() == 5

        await site.wire.cut()
        site.wire.thaw()
        await site.wire.open()

        await site.until_all_carried(customer)
    assert await site.booked(customer) == (5, 5)
    assert await site.gate.state(customer) == State(5, 5, 5)


async def test_nothing_is_lost_while_the_ledger_is_down(site: Site) -> None:
    courier = site.settings()
    async with running_courier(courier):
        customer = await site.customer()
        await site.gate.reserve_many(customer, 3)
        await site.until_all_carried(customer)

        await site.wire.cut()
        await site.gate.reserve_many(customer, 20)
        await until_async(lambda: is_pending(site, customer, 20), 5)
        await until_async(lambda: backlog_is(courier.courier_metrics_listen, 20), 5)
        assert await site.booked(customer) == (3, 3)
        await site.wire.open()

        await site.until_all_carried(customer)
        await until_async(lambda: backlog_is(courier.courier_metrics_listen, 0), 5)
    assert await site.booked(customer) == (23, 23)
    assert await site.gate.state(customer) == State(23, 23, 23)


async def test_nothing_is_lost_while_postgres_is_away(
    site_apart: tuple[Site, Relay],
) -> None:
    site, to_postgres = site_apart
    async with running_courier(site.settings()):
        customer = await site.customer()
        await to_postgres.cut()
        await site.gate.reserve_many(customer, 20)
        await until_async(lambda: is_pending(site, customer, 20), 5)
        with pytest.raises(grpc.aio.AioRpcError, match="PostgreSQL does not answer"):
            await site.ledger.tenant("nobody")
        await to_postgres.open()

        await site.until_all_carried(customer)
    assert await site.booked(customer) == (20, 20)


@dataclass
class HeldUp:
    """A lock in PostgreSQL that every batch needs before it can be committed."""

    holder: asyncpg.Connection
    onlooker: asyncpg.Connection

    async def waits(self) -> bool:
        """Whether a batch has come that far."""
        count = await self.onlooker.fetchval(
            "SELECT count(*) FROM pg_locks "
            "WHERE NOT granted AND relation = 'ledger.usage_totals'::regclass"
        )
        return bool(count)

    async def let_go(self) -> None:
        await self.holder.execute("ROLLBACK")


@asynccontextmanager
async def recording_held_up(site: Site) -> AsyncIterator[HeldUp]:
    held_up = HeldUp(await asyncpg.connect(site.ledger.url), await asyncpg.connect(site.ledger.url))
    await held_up.holder.execute("BEGIN; LOCK TABLE ledger.usage_totals IN EXCLUSIVE MODE")
    try:
        yield held_up
    finally:
        await held_up.holder.close()
        await held_up.onlooker.close()


async def is_booked(site: Site, customer: Customer, units: int) -> bool:
    return await site.booked(customer) == (units, units)


async def is_pending(site: Site, customer: Customer, count: int) -> bool:
    return await site.pending(customer) == count


async def backlog_is(metrics: str, count: int) -> bool:
    url = f"http://{metrics}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return f"tollkeeper_courier_backlog {count}.0\n" in await response.text()


@pytest.fixture
async def site_apart(
    settings: LedgerSettings, redis_url: str, free_ports: Callable[[int], list[int]]
) -> AsyncIterator[tuple[Site, Relay]]:
    """A site whose ledger reaches PostgreSQL by a wire that a test can cut."""
    await migrate_database(settings.postgres_url)
    there = urlsplit(settings.postgres_url)
    async with relay_to(there.hostname or "", there.port or 5432) as to_postgres:
        netloc = f"{there.netloc.rpartition(':')[0]}:{to_postgres.port}"
        here = settings.model_copy(update={"postgres_url": there._replace(netloc=netloc).geturl()})
        async with (
            running_ledger(here) as ledger,
            relay_to(*split_address(here.ledger_listen)) as wire,
            Redis.from_url(redis_url) as redis,
        ):
            ledger.url = settings.postgres_url
            yield Site(ledger, wire, redis, redis_url, free_ports), to_postgres
