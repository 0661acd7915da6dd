"""Calls at the gate, by the script that really admits them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ext_authz import keyspace
from ext_authz.admission import RedisAdmission
from ext_authz.call import Call
from ext_authz.decision import Allowed
from ext_authz.gate import new_decision_id

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from ext_authz.decision import Decision
    from tests.integration.courier.customer import Customer


class State(NamedTuple):
    """What the gate counts of a tenant's API calls."""

    reserved: int
    carried: int
    used: int


class Gate:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._admission = RedisAdmission(redis)

    async def decide(self, customer: Customer, units: int = 1, request_id: str = "") -> Decision:
        call = Call(
            credentials=(),
            credential_carriers=(),
            credential_parameters=(),
            spoofed_headers=(),
            path="/v1/hello",
            method="GET",
            client_address="203.0.113.9",
            request_id=request_id,
            is_grpc=False,
            metric="api_calls",
            units=units,
            scope="",
        )
        return await self._admission.admit(call, customer.credential, new_decision_id())

    async def reserve(self, customer: Customer, units: int = 1, request_id: str = "") -> str:
        """The charge id of a call that was let pass."""
        decision = await self.decide(customer, units, request_id)
        assert isinstance(decision, Allowed), decision
        return decision.decision_id

    async def reserve_many(self, customer: Customer, count: int) -> list[str]:
        return [await self.reserve(customer) for _ in range(count)]

    async def knows(self, customer: Customer) -> bool:
        name = keyspace.key_record(customer.credential.partition, customer.credential.sha256)
        return bool(await self._redis.exists(name))

    async def state(self, customer: Customer) -> State:
        fields = [f"{name}:api_calls" for name in State._fields]
        name = keyspace.state_prefix(customer.partition) + customer.tenant_id
        return State(*(int(value or 0) for value in await self._redis.hmget(name, fields)))
