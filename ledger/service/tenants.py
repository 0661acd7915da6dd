"""TenantService: translates between the wire, the domain and the store."""
# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ledger.domain.identifier import Choice, new_identifier, partition_of
from ledger.domain.period import start_of_period
from ledger.domain.refusal import Refusal, invalid, no_such
from ledger.domain.tenant import ID_PREFIX, Tenant, TenantStatus, tenant_name
from ledger.service.answers import or_unavailable, refuse
from ledger.service.timestamps import to_timestamp
from tollkeeper.api.ledger.v1 import tenants_pb2, tenants_pb2_grpc
from tollkeeper.runtime.clock import to_micros

if TYPE_CHECKING:
    import grpc

    from ledger.domain.catalogue import Catalogue
    from ledger.store.tenants import TenantStore
    from tollkeeper.runtime.clock import Clock

_PAGE_SIZE = 100
_PAGE_SIZE_MAX = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_PAGE = (_EPOCH, "")
_STATUSES: dict[TenantStatus, tenants_pb2.TenantStatus.ValueType] = {
    "active": tenants_pb2.TENANT_STATUS_ACTIVE,
    "suspended": tenants_pb2.TENANT_STATUS_SUSPENDED,
}


class TenantService(tenants_pb2_grpc.TenantServiceServicer):
    def __init__(
        self,
        store: TenantStore,
        catalogue: Catalogue,
        partitions: int,
        clock: Clock,
        choice: Choice,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._partitions = partitions
        self._clock = clock
        self._choice = choice

    @or_unavailable
    async def CreateTenant(
        self,
        request: tenants_pb2.CreateTenantRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tenants_pb2.Tenant:
        name = tenant_name(request.name)
        if isinstance(name, Refusal):
            await refuse(context, name)
        if self._catalogue.plan(request.plan) is None:
            await refuse(context, no_such("plan", request.plan))
        tenant_id = new_identifier(ID_PREFIX, self._choice)
        partition = partition_of(tenant_id, self._partitions)
        period_start = start_of_period(self._clock())
        tenant = await self._store.open(tenant_id, name, request.plan, partition, period_start)
        if tenant is None:
            await refuse(context, Refusal("exists", f"a tenant named {name!r} exists already"))
        return _message(tenant)

    @or_unavailable
    async def GetTenant(
        self,
        request: tenants_pb2.GetTenantRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tenants_pb2.Tenant:
        return _message(await found(self._store, request.tenant, context))

    @or_unavailable
    async def ListTenants(
        self,
        request: tenants_pb2.ListTenantsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tenants_pb2.ListTenantsResponse:
        size = request.page_size or _PAGE_SIZE
        if size > _PAGE_SIZE_MAX:
            await refuse(context, invalid(f"page_size must be at most {_PAGE_SIZE_MAX}"))
        after = _after(request.page_token) if request.page_token else _FIRST_PAGE
        if after is None:
            await refuse(context, invalid("page_token is not one that we gave"))
        # One more than asked for tells whether another page follows.
        tenants = await self._store.page(after, size + 1)
        page = tenants[:size]
        return tenants_pb2.ListTenantsResponse(
            tenants=[_message(tenant) for tenant in page],
            next_page_token=_token(page[-1]) if len(tenants) > size else "",
        )

    @or_unavailable
    async def SuspendTenant(
        self,
        request: tenants_pb2.SuspendTenantRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tenants_pb2.Tenant:
        return await self._set_status(request.tenant, "suspended", context)

    @or_unavailable
    async def ResumeTenant(
        self,
        request: tenants_pb2.ResumeTenantRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tenants_pb2.Tenant:
        return await self._set_status(request.tenant, "active", context)

    @or_unavailable
    async def SetPlan(
        self,
        request: tenants_pb2.SetPlanRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tenants_pb2.Tenant:
        tenant = await found(self._store, request.tenant, context)
        if self._catalogue.plan(request.plan) is None:
            await refuse(context, no_such("plan", request.plan))
        await self._store.set_plan(tenant.id, request.plan)
        return _message(await found(self._store, tenant.id, context))

    async def _set_status(
        self, reference: str, status: TenantStatus, context: grpc.aio.ServicerContext[Any, Any]
    ) -> tenants_pb2.Tenant:
        tenant = await found(self._store, reference, context)
        await self._store.set_status(tenant.id, status)
        return _message(await found(self._store, tenant.id, context))


async def found(
    store: TenantStore, reference: str, context: grpc.aio.ServicerContext[Any, Any]
) -> Tenant:
    """The tenant with this id or name; ends the call with NOT_FOUND when there is none."""
    tenant = await store.find(reference)
    if tenant is None:
        await refuse(context, no_such("tenant", reference))
    return tenant


def _message(tenant: Tenant) -> tenants_pb2.Tenant:
    return tenants_pb2.Tenant(
        id=tenant.id,
        name=tenant.name,
        plan=tenant.plan_id,
        status=_STATUSES[tenant.status],
        partition=tenant.partition,
        created_at=to_timestamp(tenant.created_at),
    )


def _token(last: Tenant) -> str:
    place = struct.pack(">q", to_micros(last.created_at)) + last.id.encode()
    return base64.urlsafe_b64encode(place).decode()


def _after(token: str) -> tuple[datetime, str] | None:
    try:
        place = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        (micros,) = struct.unpack(">q", place[:8])
        return _EPOCH + timedelta(microseconds=micros), place[8:].decode("ascii").replace("\0", "")
    except (ValueError, binascii.Error, struct.error, OverflowError):
        return None
