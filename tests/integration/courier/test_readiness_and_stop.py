from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.integration.courier.courier_process import started_courier
from tests.integration.courier.courier_program import courier_program
from tests.support.relay import relay_to
from tests.support.running import readiness, until_async

if TYPE_CHECKING:
    from ext_authz.courier.settings import CourierSettings
    from tests.integration.courier.customer import Customer
    from tests.integration.courier.site import Site

_STOP_SECONDS_MAX = 3


async def test_it_is_not_ready_until_the_first_policies_are_applied(site: Site) -> None:
    customer = await site.new_customer()
    await site.wire.cut()
    async with started_courier(site.settings()) as courier:
        await until_async(courier.is_not_ready, 5)
        assert set(await courier.reasons() or {}) == {"policies"}

        await site.wire.open()

        await until_async(courier.is_ready, 5)
        assert await site.gate.knows(customer)


async def test_it_is_not_ready_while_the_ledger_is_away(site: Site) -> None:
    async with started_courier(site.settings()) as courier:
        await until_async(courier.is_ready, 5)

        await site.wire.cut()
        await until_async(courier.is_not_ready, 5)
        reasons = await courier.reasons() or {}
        assert reasons["policies"].startswith("ledger: UNAVAILABLE")

        await site.wire.open()
        await until_async(courier.is_ready, 5)


@pytest.mark.parametrize("trouble", ["none", "ledger down", "ledger frozen", "redis frozen"])
async def test_a_stop_takes_less_than_three_seconds(site: Site, trouble: str) -> None:
    there = urlsplit(site.redis_url)
    async with relay_to(there.hostname or "", there.port or 6379) as to_redis:
        netloc = f":{there.password}@127.0.0.1:{to_redis.port}"
        settings = site.settings(redis_url=there._replace(netloc=netloc).geturl())
        async with started_courier(settings) as courier:
            await until_async(courier.is_ready, 5)
            customer = await site.customer()
            if trouble == "ledger down":
                await site.wire.cut()
            elif trouble == "ledger frozen":
                site.wire.freeze()
            elif trouble == "redis frozen":
                to_redis.freeze()
            await site.gate.reserve_many(customer, 3)
            if trouble.startswith("ledger"):
                await until_async(lambda: is_pending(site, customer), 5)

            begun = time.monotonic()
            courier.stop.set()
            await courier.task

            assert time.monotonic() - begun < _STOP_SECONDS_MAX
        site.wire.thaw()


async def test_a_program_that_waits_for_the_ledger_heeds_sigterm_as_fast(site: Site) -> None:
    await site.wire.cut()
    settings = site.settings()
    async with courier_program(settings) as program:
        await until_async(lambda: answers(settings), 20)
        begun = time.monotonic()
        program.terminate()
        assert await program.wait() == 0
        assert time.monotonic() - begun < _STOP_SECONDS_MAX


async def is_pending(site: Site, customer: Customer) -> bool:
    return await site.pending(customer) > 0


async def answers(settings: CourierSettings) -> bool:
    try:
        return bool(await readiness(settings.courier_metrics_listen))
    except aiohttp.ClientConnectionError:
        return False
