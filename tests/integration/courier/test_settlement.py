"""What Envoy's access log tells the courier, over the real stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.struct_pb2 import Struct
from redis.asyncio import Redis

from ext_authz.courier.settlement import Settlement
from ext_authz.courier.settlements import Settlements
from ext_authz.decision import Allowed, Denied
from tests.integration.courier.courier_process import running_courier
from tests.integration.courier.envoy_log import ended, send, without_verdict
from tests.integration.courier.gate import State
from tests.integration.courier.site import Event
from tests.support.relay import relay_to
from tests.support.running import until_async

if TYPE_CHECKING:
    from ext_authz.courier.carrier import Carrier
    from ext_authz.courier.reservation import Reservation
    from tests.integration.courier.customer import Customer
    from tests.integration.courier.site import Site

# No test waits so long: what is carried before was settled by the access log.
_LONG_SECONDS = 50


async def test_a_confirmed_call_is_carried_at_once(site: Site) -> None:
    courier = site.settings(settle_wait_seconds=_LONG_SECONDS)
    async with running_courier(courier):
        customer = await site.customer()
        charge = await site.gate.reserve(customer, 3)

        await send(courier, ended(charge, units=3))

        await site.until_all_carried(customer, 3)
    assert await site.events(customer) == {charge: Event(3, 3, unsettled=False)}


async def test_an_entry_before_its_reservation_is_read_counts_as_well(site: Site) -> None:
    customer = await site.customer()
    charge = await site.gate.reserve(customer)
    settlements = Settlements(site.redis)
    await settlements.add([Settlement(charge, "", 0, is_correction=True)])

    carrier = site.carrier("late", settlements=settlements)
    await until_async(carrier.run_once, 5)

    assert await site.events(customer) == {charge: Event(0, 1, unsettled=False)}


async def test_a_call_that_failed_on_our_side_is_free_and_frees_the_quota(site: Site) -> None:
    courier = site.settings(settle_wait_seconds=_LONG_SECONDS)
    async with running_courier(courier):
        customer = await site.customer("free")
        charge = await site.gate.reserve(customer, 1_100)
        assert isinstance(await site.gate.decide(customer), Denied)

        await send(courier, ended(charge, 503, units=1_100))

        await site.until_all_carried(customer, 3)
        assert await site.gate.state(customer) == State(1_100, 1_100, 0)
        assert isinstance(await site.gate.decide(customer, 1_100), Allowed)
    assert (await site.events(customer))[charge] == Event(0, 1_100, unsettled=False)
    assert await site.corrections() == []


async def test_a_call_without_a_verdict_is_free(site: Site) -> None:
    courier = site.settings(settle_wait_seconds=0.5)
    async with running_courier(courier):
        customer = await site.customer()
        charge = await site.gate.reserve(customer, request_id="request-1")

        await send(courier, without_verdict("request-1"))

        await site.until_all_carried(customer, 5)
    assert await site.events(customer) == {charge: Event(0, 1, unsettled=False)}
    assert await site.corrections() == []


async def test_a_request_id_never_frees_a_call_that_was_served(site: Site) -> None:
    courier = site.settings(settle_wait_seconds=_LONG_SECONDS)
    async with running_courier(courier):
        customer = await site.customer()
        served = await site.gate.reserve(customer, request_id="forged")

        await send(courier, without_verdict("forged"), ended(served, request_id="forged"))

        await site.until_all_carried(customer, 3)
    assert await site.events(customer) == {served: Event(1, 1, unsettled=False)}
    assert await site.booked(customer) == (1, 1)


async def test_a_correction_heard_by_one_courier_is_applied_by_the_other(site: Site) -> None:
    clock = Clock()
    settings = site.settings(settle_wait_seconds=2)
    carries = site.carrier("carries", settings=settings, monotonic=clock)
    customer = await site.customer()
    charge = await site.gate.reserve(customer)
    await until_async(lambda: is_held(site, customer, carries), 5)
    hears = site.settings()
    async with running_courier(hears):
        await send(hears, ended(charge, 500))
        clock.now += 3
        assert await carries.run_once() == 1

    assert (await site.events(customer))[charge].units == 0
    assert await site.corrections() == []


async def test_without_an_access_log_the_estimate_is_charged_and_says_so(site: Site) -> None:
    clock = Clock()
    customer = await site.customer()
    charge = await site.gate.reserve(customer, 4)
    settings = site.settings(settle_wait_seconds=2)
    carrier = site.carrier("patient", settings=settings, monotonic=clock)

    await until_async(lambda: is_held(site, customer, carrier), 5)
    clock.now += 1.9
    assert await carrier.run_once() == 0
    clock.now += 0.2
    assert await carrier.run_once() == 1

    assert await site.events(customer) == {charge: Event(4, 4, unsettled=True)}


async def test_each_correction_serves_once(site: Site) -> None:
    courier = site.settings(settle_wait_seconds=0.3)
    async with running_courier(courier):
        customer = await site.customer()
        first = await site.gate.reserve(customer, request_id="again")
        await send(courier, without_verdict("again"))
        await site.until_all_carried(customer, 5)
        second = await site.gate.reserve(customer, request_id="again")
        await site.until_all_carried(customer, 5)

    events = await site.events(customer)
    assert (events[first].units, events[second].units) == (0, 1)
    assert await site.corrections() == []


async def test_an_entry_of_another_make_spoils_none_beside_it(site: Site) -> None:
    courier = site.settings(settle_wait_seconds=_LONG_SECONDS)
    strange = ended("dec_of_somebody_else")
    fields = Struct()
    fields.update({"charge_id": "dec_of_somebody_else", "units": "many"})
    strange.common_properties.metadata.filter_metadata["envoy.filters.http.ext_authz"].CopyFrom(
        fields
    )
    async with running_courier(courier):
        customer = await site.customer()
        charge = await site.gate.reserve(customer)

        await send(courier, strange, ended(charge))

        await site.until_all_carried(customer, 3)


async def test_a_settlement_in_the_middle_of_reading_mixes_up_no_neighbours(site: Site) -> None:
    customer = await site.customer()
    charges = [await site.gate.reserve(customer, request_id=f"r{number}") for number in range(4)]
    streams = site.streams("reader")
    await streams.create_groups()
    batch = await streams.read(100, 1)
    connection = site.redis.connection_pool.connection_kwargs
    async with (
        relay_to(connection["host"], connection["port"]) as wire,
        Redis(
            host="127.0.0.1", port=wire.port, password=connection["password"], socket_timeout=5
        ) as redis,
    ):
        settlements = Settlements(redis)
        await Settlements(site.redis).add([Settlement(charges[2], "", 0, is_correction=True)])

        wire.freeze()
        reading = asyncio.create_task(settlements.units_of(batch))
        await asyncio.sleep(0)
        await settlements.add(
            Settlement(charge, "", 1, is_correction=False) for charge in charges[:2]
        )
        wire.thaw()

        assert await reading == [None, None, 0, None]


async def test_a_correction_that_comes_too_late_does_not_pass_for_a_confirmation(
    site: Site,
) -> None:
    customer = await site.customer()
    charge = await site.gate.reserve(customer)
    carrier = site.carrier("hasty", settlements=TooLate(site.redis))

    await until_async(carrier.run_once, 5)

    assert await site.events(customer) == {charge: Event(1, 1, unsettled=True)}


class TooLate(Settlements):
    """Every correction arrives when Redis has just said that there is none."""

    async def units_of(self, reservations: list[Reservation]) -> list[int | None]:
        units = await super().units_of(reservations)
        await self.add(
            Settlement(reservation.charge_id, "", 0, is_correction=True)
            for reservation in reservations
        )
        return units


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def is_held(site: Site, customer: Customer, carrier: Carrier) -> bool:
    """Whether the carrier has it, after one more round, and waits for the end of the call."""
    assert await carrier.run_once() == 0
    return await site.pending(customer) == 1
