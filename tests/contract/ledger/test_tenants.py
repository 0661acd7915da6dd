from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from grpc import StatusCode

from tests.contract.ledger.statuses import refused
from tollkeeper.api.ledger.v1 import tenants_pb2 as api

if TYPE_CHECKING:
    from tests.support.ledger_process import RunningLedger


async def test_a_tenant_is_found_by_its_id_and_by_its_name(ledger: RunningLedger) -> None:
    created = await ledger.tenant("  Acme & Söhne ", plan="free")

    assert re.fullmatch(r"tn_[0-9A-Za-z]{20}", created.id)
    assert created.name == "Acme & Söhne"
    assert created.plan == "free"
    assert created.status == api.TENANT_STATUS_ACTIVE
    assert 0 <= created.partition < ledger.settings.partitions
    for reference in (created.id, created.name):
        assert await ledger.tenants.GetTenant(api.GetTenantRequest(tenant=reference)) == created


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "must not be empty"),
        ("   ", "must not be empty"),
        ("x" * 129, "at most 128"),
        ("a\nb", "printable"),
        ("a\0b", "printable"),
        ("tn_acme", "must not begin with tn_"),
    ],
)
async def test_an_ill_formed_name_is_invalid(ledger: RunningLedger, name: str, why: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, why):
        await ledger.tenant(name)


async def test_a_plan_that_is_not_on_sale_is_not_found(ledger: RunningLedger) -> None:
    with refused(StatusCode.NOT_FOUND, "no plan 'golden'"):
        await ledger.tenant(plan="golden")

    tenant = await ledger.tenant()
    with refused(StatusCode.NOT_FOUND, "no plan 'golden'"):
        await ledger.tenants.SetPlan(api.SetPlanRequest(tenant=tenant.id, plan="golden"))


async def test_a_name_is_given_once_however_many_ask_at_the_same_time(
    ledger: RunningLedger,
) -> None:
    answers = await asyncio.gather(
        *(asyncio.ensure_future(ledger.tenant("acme")) for _ in range(5)), return_exceptions=True
    )

    assert sum(isinstance(answer, api.Tenant) for answer in answers) == 1
    with refused(StatusCode.ALREADY_EXISTS, "a tenant named 'acme' exists already"):
        await ledger.tenant("acme")


@pytest.mark.parametrize("reference", ["nobody", "tn_00000000000000000000", "", "a\0b"])
async def test_an_unknown_tenant_is_not_found(ledger: RunningLedger, reference: str) -> None:
    requests = [
        ledger.tenants.GetTenant(api.GetTenantRequest(tenant=reference)),
        ledger.tenants.SuspendTenant(api.SuspendTenantRequest(tenant=reference)),
        ledger.tenants.ResumeTenant(api.ResumeTenantRequest(tenant=reference)),
        ledger.tenants.SetPlan(api.SetPlanRequest(tenant=reference, plan="free")),
    ]
    for request in requests:
        with refused(StatusCode.NOT_FOUND, "no tenant"):
            await request


async def test_suspending_resuming_and_moving_may_be_repeated(ledger: RunningLedger) -> None:
    tenant = await ledger.tenant(plan="free")
    reference = tenant.name

    for _ in range(2):
        answer = await ledger.tenants.SuspendTenant(api.SuspendTenantRequest(tenant=reference))
        assert answer.status == api.TENANT_STATUS_SUSPENDED
    for _ in range(2):
        answer = await ledger.tenants.ResumeTenant(api.ResumeTenantRequest(tenant=reference))
        assert answer.status == api.TENANT_STATUS_ACTIVE
    for _ in range(2):
        answer = await ledger.tenants.SetPlan(api.SetPlanRequest(tenant=reference, plan="standard"))
        assert answer.plan == "standard"


async def test_pages_show_every_tenant_once_oldest_first(ledger: RunningLedger) -> None:
    created = [(await ledger.tenant(f"tenant {number}")).id for number in range(5)]

    seen, token = [], ""
    while True:
        page = await ledger.tenants.ListTenants(
            api.ListTenantsRequest(page_size=2, page_token=token)
        )
        seen += [tenant.id for tenant in page.tenants]
        token = page.next_page_token
        if not token:
            break

    assert seen == created
    everything = await ledger.tenants.ListTenants(api.ListTenantsRequest())
    assert [tenant.id for tenant in everything.tenants] == created
    assert everything.next_page_token == ""


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (api.ListTenantsRequest(page_size=1_001), "at most 1000"),
        (api.ListTenantsRequest(page_token="ours?"), "page_token"),
        (api.ListTenantsRequest(page_token="AAAA"), "page_token"),
        (api.ListTenantsRequest(page_token="ÄÖÜ"), "page_token"),
    ],
)
async def test_an_impossible_page_is_invalid(
    ledger: RunningLedger, request_: api.ListTenantsRequest, why: str
) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, why):
        await ledger.tenants.ListTenants(request_)
