"""`tollkeeper plan`: what is sold, at what price, within what limits."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollkeeper.api.ledger.v1 import plans_pb2 as pb
from tollkeeper.cli.context import DirOption, JsonOption, command_line, ledger_address
from tollkeeper.cli.ledger_client import open_ledger
from tollkeeper.cli.money import money_json, money_text, price_json, price_text
from tollkeeper.cli.output import fields, print_json, print_people, table

app = typer.Typer(help="Plans: the catalogue.", no_args_is_help=True)


@app.command("list")
def list_(ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False) -> None:
    """List all plans, cheapest first."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        plans = ledger.call(ledger.plans.ListPlans, pb.ListPlansRequest()).plans
    if line.json:
        print_json({"plans": [plan_json(plan) for plan in plans]})
        return
    rows = (
        (plan.id, plan.name, money_text(plan.base_price), f"{plan.limits.rate_per_minute:,}")
        for plan in plans
    )
    print_people(table(("PLAN", "NAME", ">PER MONTH", ">CALLS A MINUTE"), rows))


@app.command()
def show(
    ctx: typer.Context,
    plan: Annotated[str, typer.Argument(help="As `tollkeeper plan list` names it.")],
    *,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a plan's price, rate limits and quotas."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        found = ledger.call(ledger.plans.GetPlan, pb.GetPlanRequest(plan=plan))
    if line.json:
        print_json(plan_json(found))
        return
    limits = found.limits
    pairs = (
        ("Plan", f"{found.id} ({found.name})"),
        ("Price", f"{money_text(found.base_price)} a month"),
        ("Burst", f"{limits.burst_per_second:,} calls a second, {limits.burst_capacity:,} at once"),
        ("Rate", f"{limits.rate_per_minute:,} calls a minute"),
    )
    rows = (
        (quota.metric, _included_text(quota), _cap_text(quota), _overage_text(quota))
        for quota in found.quotas
    )
    print_people(fields(pairs), "", table(("METRIC", ">INCLUDED", "CAP", ">OVERAGE"), rows))


def plan_json(plan: pb.Plan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "name": plan.name,
        "base_price": money_json(plan.base_price),
        "limits": {
            "burst_per_second": plan.limits.burst_per_second,
            "burst_capacity": plan.limits.burst_capacity,
            "rate_per_minute": plan.limits.rate_per_minute,
        },
        "quotas": [quota_json(quota) for quota in plan.quotas],
    }


def quota_json(quota: pb.Quota) -> dict[str, Any]:
    """`included` is null when unlimited, `overage` when none is sold."""
    return {
        "metric": quota.metric,
        "included": None if quota.unlimited else quota.included,
        "cap": _cap(quota),
        "grace_percent": quota.grace_percent,
        "overage": price_json(quota.overage) if quota.HasField("overage") else None,
    }


def _included_text(quota: pb.Quota) -> str:
    return "unlimited" if quota.unlimited else f"{quota.included:,}"


def _cap_text(quota: pb.Quota) -> str:
    if quota.cap == pb.CAP_SOFT:
        return f"soft, {quota.grace_percent} % grace"
    return _cap(quota)


def _overage_text(quota: pb.Quota) -> str:
    return f"{price_text(quota.overage)} each" if quota.HasField("overage") else "—"


def _cap(quota: pb.Quota) -> str:
    return pb.Cap.Name(quota.cap).removeprefix("CAP_").lower()
