"""`tollkeeper tenant`: the customers to whom the API is sold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tollkeeper.api.ledger.v1 import tenants_pb2 as pb
from tollkeeper.cli.context import (
    DirOption,
    JsonOption,
    TenantArgument,
    command_line,
    ledger_address,
)
from tollkeeper.cli.ledger_client import open_ledger
from tollkeeper.cli.moments import moment_json, moment_text
from tollkeeper.cli.output import fields, print_json, print_people, status_text, table
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper.cli.context import CommandLine
    from tollkeeper.cli.ledger_client import Ledger

app = typer.Typer(help="Tenants: open, look at, suspend, move.", no_args_is_help=True)

_PAGE_SIZE = 1_000


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Unique; 1 to 128 characters.")],
    *,
    plan: Annotated[str, typer.Option(help="As `tollkeeper plan list` names it.")],
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a tenant on a plan."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        request = pb.CreateTenantRequest(name=name, plan=plan)
        _print(ledger.call(ledger.tenants.CreateTenant, request), line)


@app.command()
def show(
    ctx: typer.Context,
    tenant: TenantArgument,
    *,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tenant."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        _print(ledger.call(ledger.tenants.GetTenant, pb.GetTenantRequest(tenant=tenant)), line)


@app.command("list")
def list_(ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False) -> None:
    """List all tenants, oldest first."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        tenants = list(_all(ledger))
    if line.json:
        print_json({"tenants": [tenant_json(tenant) for tenant in tenants]})
        return
    if not tenants:
        print_people("No tenants yet: `tollkeeper tenant create NAME --plan PLAN` opens one.")
        return
    rows = (
        (
            tenant.id,
            tenant.name,
            tenant.plan,
            status_text(_status(tenant)),
            moment_text(tenant.created_at),
        )
        for tenant in tenants
    )
    print_people(table(("ID", "NAME", "PLAN", "STATUS", "CREATED"), rows))


@app.command()
def suspend(
    ctx: typer.Context,
    tenant: TenantArgument,
    *,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a tenant's calls with 403, within a second, until it is resumed."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        request = pb.SuspendTenantRequest(tenant=tenant)
        _print(ledger.call(ledger.tenants.SuspendTenant, request), line)


@app.command()
def resume(
    ctx: typer.Context,
    tenant: TenantArgument,
    *,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Admit a suspended tenant's calls again."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        request = pb.ResumeTenantRequest(tenant=tenant)
        _print(ledger.call(ledger.tenants.ResumeTenant, request), line)


@app.command()
def set_plan(
    ctx: typer.Context,
    tenant: TenantArgument,
    plan: Annotated[str | None, typer.Argument(help="The plan to move to.")] = None,
    *,
    plan_option: Annotated[
        str | None, typer.Option("--plan", help="The same as the argument.")
    ] = None,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a tenant to another plan; the gate follows within a second."""
    line = command_line(ctx, directory, as_json=as_json)
    request = pb.SetPlanRequest(tenant=tenant, plan=_one_plan(plan, plan_option))
    with open_ledger(ledger_address(line)) as ledger:
        _print(ledger.call(ledger.tenants.SetPlan, request), line)


def tenant_json(tenant: pb.Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "plan": tenant.plan,
        "status": _status(tenant),
        "partition": tenant.partition,
        "created_at": moment_json(tenant.created_at),
    }


def _print(tenant: pb.Tenant, line: CommandLine) -> None:
    if line.json:
        print_json(tenant_json(tenant))
        return
    pairs = (
        ("Tenant", tenant.name),
        ("ID", tenant.id),
        ("Plan", tenant.plan),
        ("Status", status_text(_status(tenant))),
        ("Partition", str(tenant.partition)),
        ("Created", moment_text(tenant.created_at)),
    )
    print_people(fields(pairs))


def _all(ledger: Ledger) -> Iterator[pb.Tenant]:
    request = pb.ListTenantsRequest(page_size=_PAGE_SIZE)
    while True:
        page = ledger.call(ledger.tenants.ListTenants, request)
        yield from page.tenants
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _one_plan(argument: str | None, option: str | None) -> str:
    if argument and option and argument != option:
        raise OperatorError(f"two plans are named, {argument} and --plan {option}: name one")
    plan = argument or option
    if not plan:
        raise OperatorError("no plan is named: `tollkeeper tenant set-plan TENANT PLAN`")
    return plan


def _status(tenant: pb.Tenant) -> str:
    return pb.TenantStatus.Name(tenant.status).removeprefix("TENANT_STATUS_").lower()
