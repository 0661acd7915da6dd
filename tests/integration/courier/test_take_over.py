from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from ext_authz import keyspace
from ext_authz.courier.settings import CourierSettings
from tests.integration.courier.courier_process import running_courier
from tests.integration.courier.courier_program import courier_program
from tests.integration.courier.gate import State
from tests.support.running import until_async
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from tests.integration.courier.customer import Customer
    from tests.integration.courier.site import Site


async def test_what_a_vanished_courier_had_read_is_taken_over(site: Site) -> None:
    customer = await site.customer()
    await site.gate.reserve_many(customer, 5)
    vanished = site.streams("vanished")
    await vanished.create_groups()
    assert len(await vanished.read(100, 1)) == 5

    async with running_courier(site.settings(claim_idle_seconds=0.2)):
        await site.until_all_carried(customer)

    assert await site.booked(customer) == (5, 5)


async def test_what_a_killed_courier_held_is_taken_over(site: Site) -> None:
    customer = await site.customer()
    waits = site.settings(settle_wait_seconds=50)
    async with courier_program(waits) as program:
        await site.gate.reserve_many(customer, 5)
        await until_async(lambda: is_pending(site, customer, 5), 10)
        program.send_signal(signal.SIGKILL)
        await program.wait()
    assert await site.booked(customer) == (0, 0)

    async with running_courier(site.settings(claim_idle_seconds=0.2)):
        await site.until_all_carried(customer)

    assert await site.booked(customer) == (5, 5)
    assert all(event.unsettled for event in (await site.events(customer)).values())


async def test_two_couriers_at_once_book_every_call_once(site: Site) -> None:
    customer = await site.customer()
    # So impatient that each also takes over what the other is about to carry.
    both = [site.settings(claim_idle_seconds=0.001) for _ in range(2)]
    async with running_courier(*both):
        reserved = await site.gate.reserve_many(customer, 500)
        await site.until_all_carried(customer)

    assert await site.booked(customer) == (500, 500)
    assert set(await site.events(customer)) == set(reserved)
    assert await site.gate.state(customer) == State(500, 500, 500)


async def test_who_leaves_keeps_what_is_pending_for_others(site: Site) -> None:
    customer = await site.customer()
    await site.gate.reserve_many(customer, 2)
    leaving, staying = site.streams("leaving"), site.streams("staying")
    await leaving.create_groups()
    read = await leaving.read(100, 1)

    await leaving.leave()
    assert await site.pending(customer) == 2
    assert await staying.take_over(0, 100) == read

    await staying.acknowledge(read)
    await staying.leave()
    await leaving.leave()
    stream = keyspace.charges(customer.partition)
    assert await site.redis.xinfo_consumers(stream, "courier") == []
    assert await site.charges_left() == 0


def test_nobody_may_take_over_what_another_still_waits_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOLLKEEPER_SETTLE_WAIT_SECONDS", "5")
    with pytest.raises(OperatorError, match=r"CLAIM_IDLE_SECONDS: must be more than .*SETTLE_WAIT"):
        CourierSettings.read()


async def is_pending(site: Site, customer: Customer, count: int) -> bool:
    return await site.pending(customer) == count
