"""`tollkeeper usage`: what a tenant's calls consumed."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress_bar import ProgressBar
from rich.text import Text

from tollkeeper.api.ledger.v1 import usage_pb2 as pb
from tollkeeper.cli.context import (
    DirOption,
    JsonOption,
    TenantArgument,
    command_line,
    ledger_address,
)
from tollkeeper.cli.ledger_client import open_ledger
from tollkeeper.cli.moments import moment_json, moment_text, parse_moment, to_timestamp
from tollkeeper.cli.output import fields, print_json, print_people, table
from tollkeeper.cli.percentages import has_reached, percentage

app = typer.Typer(help="Usage: what was consumed of what is included.", no_args_is_help=True)

_BAR_WIDTH = 24
# The same thresholds as the alerts: a warning at 80 percent, trouble at 100.
_WARNING_PERCENT = 80
_FULL_PERCENT = 100


# A group with one command would otherwise lose its name: `usage TENANT` for `usage show TENANT`.
@app.callback()
def _group() -> None: ...


@app.command()
def show(
    ctx: typer.Context,
    tenant: TenantArgument,
    *,
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Any moment of the period wanted (default: now)."),
    ] = None,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tenant's usage in a billing period, per metric."""
    line = command_line(ctx, directory, as_json=as_json)
    request = pb.GetUsageRequest(
        tenant=tenant, at=to_timestamp(parse_moment(at)) if at is not None else None
    )
    with open_ledger(ledger_address(line)) as ledger:
        usage = ledger.call(ledger.usage.GetUsage, request)
    if line.json:
        print_json(usage_json(usage))
        return
    pairs = (
        ("Tenant", usage.tenant_id),
        ("Plan", usage.plan),
        ("Period", f"{moment_text(usage.period_start)} to {moment_text(usage.period_end)}"),
    )
    rows = (
        (metric.metric, _bar(metric), f"{metric.used:,}", _included_text(metric), _share(metric))
        for metric in usage.metrics
    )
    print_people(fields(pairs), "", table(("METRIC", "", ">USED", ">INCLUDED", ">SHARE"), rows))


def usage_json(usage: pb.GetUsageResponse) -> dict[str, Any]:
    return {
        "tenant": usage.tenant_id,
        "plan": usage.plan,
        "period": {
            "start": moment_json(usage.period_start),
            "end": moment_json(usage.period_end),
        },
        "metrics": [metric_json(metric) for metric in usage.metrics],
    }


def metric_json(metric: pb.MetricUsage) -> dict[str, Any]:
    """`included` is null when unlimited; `percentage` then too, and when nothing is included."""
    return {
        "metric": metric.metric,
        "used": metric.used,
        "included": None if metric.unlimited else metric.included,
        "percentage": _percentage(metric),
    }


def _percentage(metric: pb.MetricUsage) -> int | float | None:
    return None if metric.unlimited else percentage(metric.used, metric.included)


def _bar(metric: pb.MetricUsage) -> ProgressBar:
    # Nothing included, or no end to it: the bar is full or empty, there is no share to draw.
    total = 1 if metric.unlimited or metric.included <= 0 else metric.included
    completed = 0 if metric.unlimited else min(max(metric.used, 0), total)
    style = _style(metric)
    return ProgressBar(
        total=total,
        completed=completed,
        width=_BAR_WIDTH,
        complete_style=style,
        finished_style=style,
    )


def _included_text(metric: pb.MetricUsage) -> str:
    return "unlimited" if metric.unlimited else f"{metric.included:,}"


def _share(metric: pb.MetricUsage) -> Text:
    share = _percentage(metric)
    return Text("—" if share is None else f"{share} %", style=_style(metric))


def _style(metric: pb.MetricUsage) -> str:
    if metric.unlimited or metric.used <= 0:
        return "green"
    if has_reached(metric.used, metric.included, _FULL_PERCENT):
        return "red"
    return "yellow" if has_reached(metric.used, metric.included, _WARNING_PERCENT) else "green"
