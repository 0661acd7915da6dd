"""Calls at the gate, by the script that really admits them."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from ext_authz import keyspace
from ext_authz.admission import SCRIPT, charge_line, understand
from ext_authz.call import Call
from ext_authz.decision import Allowed, Denied, Reason
from ext_authz.gate import DecisionIds
from ext_authz.records import KeyRecord, TenantRecord

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
        self._script = redis.register_script(SCRIPT)
        self._decision_id = DecisionIds()

    async def decide(self, customer: Customer, units: int = 1, request_id: str = "") -> Decision:
        call = Call(
            credentials=(),
            credential_carriers=(),
            credential_parameters=(),
            spoofed_headers=(),
            path="/v1/hello",
            request_id=request_id,
            is_grpc=False,
            metric="api_calls",
            units=units,
            scope="",
            attributes=None,
        )
        decision_id = self._decision_id()
        record = await self._record(customer)
        if record is None:
            return Denied(decision_id, Reason.CREDENTIAL_UNKNOWN)
        refusal = record.refusal(call.scope, time.time_ns() // 1_000)
        if refusal is not None:
            return Denied(decision_id, refusal, record.identity)
        tenant = record.tenant
        reply = await self._script(
            keys=[
                keyspace.tenant_state(tenant.partition, tenant.tenant_id),
                keyspace.charges(tenant.partition),
            ],
            args=[
                *tenant.admit_arguments(call.metric, call.units),
                charge_line(record, call, decision_id),
            ],
        )
        return understand(reply, record, call, decision_id)

    async def _record(self, customer: Customer) -> KeyRecord | None:
        credential = customer.credential
        key = await self._fields(keyspace.key_record(credential.partition, credential.sha256))
        if not key:
            return None
        tenant = await self._fields(keyspace.tenant_record(credential.partition, key["tenant"]))
        if not tenant:
            return None
        record = TenantRecord.from_fields(key["tenant"], credential.partition, tenant)
        return KeyRecord.from_fields(key, record)

    async def _fields(self, name: str) -> dict[str, str]:
        fields = await self._redis.hgetall(name)
        return {name.decode(): value.decode() for name, value in fields.items()}

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
        name = keyspace.tenant_state(customer.partition, customer.tenant_id)
        packed = await self._redis.hget(name, "api_calls")
        if packed is None:
            return State(0, 0, 0)
        _, reserved, carried, used, _ = struct.unpack(">ddddd", packed)
        return State(int(reserved), int(carried), int(used))
