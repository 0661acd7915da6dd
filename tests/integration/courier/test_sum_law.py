"""Whatever happens to calls and couriers, the books add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ext_authz.courier.settlement import Settlement
from ext_authz.courier.settlements import Settlements
from tests.integration.courier.gate import State

if TYPE_CHECKING:
    from ext_authz.courier.settings import CourierSettings
    from tests.integration.courier.customer import Customer
    from tests.integration.courier.site import Site
    from tollkeeper.api.ledger.v1 import usage_pb2

_SETTLE_WAIT_SECONDS = 2
# A step, and which call or courier it is about or how many units.
steps = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 5)),
    st.tuples(st.just("reserve"), st.integers(0, 5)),
    st.tuples(st.just("confirm"), st.integers(0, 9)),
    st.tuples(st.just("fail"), st.integers(0, 9)),
    st.tuples(st.just("time passes"), st.integers(1, 3)),
    st.tuples(st.just("carry"), st.integers(0, 1)),
    st.tuples(st.just("carry in vain"), st.integers(0, 1)),
    st.tuples(st.just("restart"), st.integers(0, 1)),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sequence=st.lists(steps, min_size=5, max_size=20))
async def test_used_is_what_was_settled_and_carried_is_what_was_reserved(
    site: Site, sequence: list[tuple[str, int]]
) -> None:
    history = History(site, await site.customer())

    for step, number in sequence:
        await history.take(step, number)
    await history.finish()

    events = await site.events(history.customer)
    assert {charge: event.units for charge, event in events.items()} == history.expected
    used, reserved = sum(history.expected.values()), sum(history.reserved.values())
    assert await site.booked(history.customer) == (used, reserved)
    await site.teach()
    assert await site.gate.state(history.customer) == State(reserved, reserved, used)
    assert await site.charges_left() == 0


class History:
    """Two couriers and their calls; says itself what each call should come to."""

    def __init__(self, site: Site, customer: Customer) -> None:
        self.customer = customer
        self.reserved: dict[str, int] = {}
        self.expected: dict[str, int] = {}
        self._site = site
        self._couriers = [Courier(site) for _ in range(2)]

    async def take(self, step: str, number: int) -> None:
        match step:
            case "reserve":
                charge = await self._site.gate.reserve(self.customer, number)
                self.reserved[charge] = self.expected[charge] = number
            case "confirm" | "fail":
                await self._settle(number, failed=step == "fail")
            case "time passes":
                for courier in self._couriers:
                    courier.now += number
            case "carry":
                await self._couriers[number].carry()
            case "carry in vain":
                await self._couriers[number].carry_in_vain()
            case "restart":
                self._couriers[number] = Courier(self._site)

    async def finish(self) -> None:
        while await self._site.charges_left():
            await self.take("time passes", _SETTLE_WAIT_SECONDS)
            await self.take("carry", 0)
            await self.take("carry", 1)

    async def _settle(self, number: int, *, failed: bool) -> None:
        if not self.reserved:
            return
        charge = list(self.reserved)[number % len(self.reserved)]
        units = 0 if failed else self.reserved[charge]
        is_correction = units != self.reserved[charge]
        await self._couriers[number % 2].settlements.add(
            [Settlement(charge, "", units, is_correction)]
        )
        # What the ledger has already, stands.
        if is_correction and charge not in await self._site.events(self.customer):
            self.expected[charge] = units


class Courier:
    def __init__(self, site: Site) -> None:
        self.now = 0.0
        self.settlements = Settlements(site.redis, self._monotonic)
        self._ledger = ForgetfulLedger(site)
        # Each takes over at once what others hold.
        settings: CourierSettings = site.settings().model_copy(
            update={"settle_wait_seconds": _SETTLE_WAIT_SECONDS, "claim_idle_seconds": 0.001}
        )
        self._carrier = site.carrier(
            f"courier-{id(self)}",
            settlements=self.settlements,
            ledger=self._ledger,
            settings=settings,
            monotonic=self._monotonic,
        )

    async def carry(self) -> None:
        await self._carrier.run_once()

    async def carry_in_vain(self) -> None:
        """The ledger commits, and nobody hears of it."""
        self._ledger.is_forgetful = True
        try:
            await self._carrier.run_once()
        except grpc.aio.AioRpcError:
            pass
        finally:
            self._ledger.is_forgetful = False

    def _monotonic(self) -> float:
        return self.now


class ForgetfulLedger:
    """The real ledger, whose answers get lost on demand."""

    is_forgetful = False

    def __init__(self, site: Site) -> None:
        self._usage = site.ledger.usage

    async def RecordUsage(  # noqa: N802 - gRPC's name
        self,
        request: usage_pb2.RecordUsageRequest,
        timeout: float,  # noqa: ASYNC109 - as above
    ) -> Any:
        response = await self._usage.RecordUsage(request, timeout=timeout)
        return _lose() if self.is_forgetful else response


def _lose() -> NoReturn:
    nothing = grpc.aio.Metadata()
    raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "cut off")
