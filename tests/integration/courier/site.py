"""All that a courier goes between: a gate's Redis and a ledger, with a breakable wire."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ext_authz import keyspace
from ext_authz.courier.carrier import Carrier
from ext_authz.courier.charge_streams import ChargeStreams
from ext_authz.courier.policy_follower import PolicyFollower
from ext_authz.courier.settings import CourierSettings
from ext_authz.courier.settlements import Settlements
from tests.integration.courier.customer import Customer
from tests.integration.courier.gate import Gate
from tests.support.ledger_process import PARTITIONS, RunningLedger, query
from tests.support.running import until_async
from tollkeeper.credential import parse
from tollkeeper.runtime.probes import Readiness

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from tests.support.relay import Relay

_numbers = itertools.count(1)


class Event(NamedTuple):
    """What the ledger holds of a call."""

    units: int
    reserved: int
    unsettled: bool


@dataclass
class Site:
    ledger: RunningLedger
    wire: Relay
    """Between the couriers and the ledger."""
    redis: Redis
    redis_url: str
    free_ports: Callable[[int], list[int]]

    def __post_init__(self) -> None:
        self.gate = Gate(self.redis)

    def settings(self, **wish: Any) -> CourierSettings:
        """Of one more courier, which does not wait for access log entries unless told to."""
        listen, metrics = (f"127.0.0.1:{port}" for port in self.free_ports(2))
        usual: dict[str, Any] = {
            "courier_listen": listen,
            "courier_metrics_listen": metrics,
            "redis_url": self.redis_url,
            "ledger_address": f"127.0.0.1:{self.wire.port}",
            "settle_wait_seconds": 0,
            "claim_idle_seconds": 60,
        }
        return CourierSettings(**(usual | wish))

    def streams(self, consumer: str) -> ChargeStreams:
        return ChargeStreams(self.redis, consumer, PARTITIONS)

    def carrier(self, consumer: str, **options: Any) -> Carrier:
        """One that a test drives by `run_once`; it waits for nothing unless told to."""
        usual: dict[str, Any] = {
            "settlements": Settlements(self.redis),
            "ledger": self.ledger.usage,
            "settings": self.settings(),
        }
        return Carrier(self.streams(consumer), **(usual | options))

    async def new_customer(self, plan: str = "enterprise") -> Customer:
        """One that the gate does not know yet."""
        tenant = await self.ledger.tenant(f"customer-{next(_numbers)}", plan)
        created = await self.ledger.key(tenant.id)
        credential = parse(created.secret)
        assert credential is not None
        return Customer(tenant.id, created.key.id, tenant.partition, credential)

    async def customer(self, plan: str = "enterprise") -> Customer:
        """One that the gate knows, though no courier runs."""
        customer = await self.new_customer(plan)
        await self.teach()
        return customer

    async def teach(self) -> None:
        """Tell the gate all that the ledger knows, once."""
        readiness = Readiness()
        readiness.ready()
        follower = PolicyFollower(self.redis, self.ledger.policies, readiness)
        following = asyncio.create_task(follower.follow(asyncio.Event()))

        async def is_ready() -> bool:
            return not readiness.reasons

        await until_async(is_ready, 5)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    async def until_all_carried(self, customer: Customer, seconds: float = 8) -> None:
        """The ledger has every reservation, and the gate knows that it does."""

        async def all_carried() -> bool:
            reserved, carried, _ = await self.gate.state(customer)
            return reserved == carried and not await self.charges_left()

        await until_async(all_carried, seconds)

    async def charges_left(self) -> int:
        return await self.streams("onlooker").backlog()

    async def pending(self, customer: Customer) -> int:
        """How many reservations a courier has read and not acknowledged."""
        groups: Any = await self.redis.xinfo_groups(keyspace.charges(customer.partition))
        return sum(group["pending"] for group in groups)

    async def dead(self, partition: int) -> list[dict[bytes, bytes]]:
        entries: Any = await self.redis.xrange(keyspace.dead_charges(partition))
        return [fields for _, fields in entries]

    async def corrections(self) -> list[bytes]:
        return [name async for name in self.redis.scan_iter(match=keyspace.correction("*"))]

    async def booked(self, customer: Customer) -> tuple[int, int]:
        """Used and carried units."""
        sql = "SELECT used_units, carried_units FROM ledger.usage_totals WHERE tenant_id = $1"
        rows = await query(self.ledger.url, sql, customer.tenant_id)
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    async def events(self, customer: Customer) -> dict[str, Event]:
        sql = """
            SELECT id, units, reserved_units, unsettled FROM ledger.usage_events
            WHERE tenant_id = $1
        """
        rows = await query(self.ledger.url, sql, customer.tenant_id)
        return {charge_id: Event(*rest) for charge_id, *rest in rows}
