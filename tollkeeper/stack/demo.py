"""A demo tenant for each plan, with one test key each, so that there is something to try."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import grpc

from tollkeeper.api.ledger.v1 import keys_pb2, plans_pb2, tenants_pb2
from tollkeeper.api.ledger.v1.keys_pb2_grpc import KeyServiceStub
from tollkeeper.api.ledger.v1.plans_pb2_grpc import PlanServiceStub
from tollkeeper.api.ledger.v1.tenants_pb2_grpc import TenantServiceStub
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.grpc_server import open_channel, wait_for_channel
from tollkeeper.stack.directory import read_json, write_private_json

if TYPE_CHECKING:
    from pathlib import Path

_KEY_NAME = "demo"
_CALL_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class DemoTenant:
    id: str
    key: str
    key_id: str


def tenant_name(plan: str) -> str:
    return f"demo-{plan}"


async def seed_demo(ledger_address: str, memory: Path) -> dict[str, DemoTenant]:
    """The demo tenants by plan, made where they are missing.

    A key is shown only once, so `memory` keeps them; one that was revoked or forgotten is replaced.
    Raises OperatorError when the ledger refuses.
    """
    kept = _remembered(memory)
    async with open_channel(ledger_address) as channel:
        await wait_for_channel(channel, ledger_address, _CALL_SECONDS_MAX)
        try:
            tenants = await _Seeder(channel).tenants(kept)
        except grpc.aio.AioRpcError as error:
            raise OperatorError(
                f"the ledger refuses the demo tenants: {error.code().name} {error.details()}"
            ) from error
    if tenants != kept:
        write_private_json(memory, {plan: asdict(tenant) for plan, tenant in tenants.items()})
    return tenants


def _remembered(memory: Path) -> dict[str, DemoTenant]:
    try:
        return {plan: DemoTenant(**tenant) for plan, tenant in (read_json(memory) or {}).items()}
    except (AttributeError, TypeError):
        raise OperatorError(f"{memory} does not hold demo tenants: remove it") from None


class _Seeder:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._plans = PlanServiceStub(channel)
        self._tenants = TenantServiceStub(channel)
        self._keys = KeyServiceStub(channel)

    async def tenants(self, kept: dict[str, DemoTenant]) -> dict[str, DemoTenant]:
        response = await self._plans.ListPlans(
            plans_pb2.ListPlansRequest(), timeout=_CALL_SECONDS_MAX
        )
        return {plan.id: await self._tenant(plan.id, kept.get(plan.id)) for plan in response.plans}

    async def _tenant(self, plan: str, kept: DemoTenant | None) -> DemoTenant:
        tenant = await self._found_or_created(plan)
        if kept is not None and kept.id == tenant.id and await self._is_active(kept):
            return kept
        created = await self._keys.CreateKey(
            keys_pb2.CreateKeyRequest(
                tenant=tenant.id,
                name=_KEY_NAME,
                environment=keys_pb2.KEY_ENVIRONMENT_TEST,
            ),
            timeout=_CALL_SECONDS_MAX,
        )
        return DemoTenant(tenant.id, created.secret, created.key.id)

    async def _found_or_created(self, plan: str) -> tenants_pb2.Tenant:
        name = tenant_name(plan)
        try:
            return await self._tenants.GetTenant(
                tenants_pb2.GetTenantRequest(tenant=name), timeout=_CALL_SECONDS_MAX
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
        return await self._tenants.CreateTenant(
            tenants_pb2.CreateTenantRequest(name=name, plan=plan), timeout=_CALL_SECONDS_MAX
        )

    async def _is_active(self, kept: DemoTenant) -> bool:
        response = await self._keys.ListKeys(
            keys_pb2.ListKeysRequest(tenant=kept.id), timeout=_CALL_SECONDS_MAX
        )
        return any(
            key.id == kept.key_id and key.status == keys_pb2.KEY_STATUS_ACTIVE
            for key in response.keys
        )
