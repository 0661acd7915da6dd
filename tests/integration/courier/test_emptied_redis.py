from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ext_authz.courier.policy_follower import PolicyFollower
from ext_authz.decision import Allowed
from tests.integration.courier.courier_process import running_courier
from tests.integration.courier.gate import State
from tests.support.running import until_async
from tollkeeper.runtime.probes import Readiness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.courier.site import Site
    from tollkeeper.api.policy.v1.policy_pb2 import PolicyChange


async def test_policies_and_settled_usage_come_back_and_charges_are_carried_again(
    site: Site,
) -> None:
    async with running_courier(site.settings()):
        customer = await site.customer()
        await site.gate.reserve_many(customer, 3)
        await site.until_all_carried(customer)
        assert await site.gate.state(customer) == State(3, 3, 3)

        await site.redis.flushall()

        # Noticed with the next heartbeat.
        await until_async(lambda: site.gate.knows(customer), 5)
        assert await site.gate.state(customer) == State(3, 3, 3)
        await site.gate.reserve_many(customer, 2)
        await site.until_all_carried(customer)
    assert await site.gate.state(customer) == State(5, 5, 5)
    assert await site.booked(customer) == (5, 5)


async def test_a_snapshot_lost_halfway_is_asked_for_again(site: Site) -> None:
    customer = await site.new_customer()
    follower = UnluckyFollower(site.redis, site.ledger.policies, Readiness())
    stop = asyncio.Event()
    following = asyncio.create_task(follower.run(stop))

    async def is_allowed() -> bool:
        return isinstance(await site.gate.decide(customer), Allowed)

    # Its key alone, from the last message, would not do.
    await until_async(is_allowed, 5)

    assert follower.times_emptied == 1
    stop.set()
    await asyncio.wait_for(following, 5)


class UnluckyFollower(PolicyFollower):
    """Redis loses everything when the first message of the snapshot is applied, not the last."""

    times_emptied = 0

    async def apply(self, changes: Iterable[PolicyChange]) -> None:
        await super().apply(changes)
        if not self.times_emptied:
            self.times_emptied += 1
            await self._redis.flushall()
