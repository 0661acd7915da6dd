from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.cli import Cli

pytestmark = pytest.mark.xdist_group("stack")


def test_a_new_tenant_has_used_nothing_of_each_metric(cli: Cli, tenant: dict[str, Any]) -> None:
    usage = cli.json("usage", "show", tenant["name"])

    assert list(usage) == ["tenant", "plan", "period", "metrics"]
    assert (usage["tenant"], usage["plan"]) == (tenant["id"], "free")
    start, end = (datetime.fromisoformat(usage["period"][side]) for side in ("start", "end"))
    assert start <= datetime.now(UTC) < end
    assert {"metric": "api_calls", "used": 0, "included": 1_000, "percentage": 0} in usage[
        "metrics"
    ]
    assert all(metric["used"] == 0 for metric in usage["metrics"])


def test_unlimited_has_neither_an_included_amount_nor_a_percentage(cli: Cli) -> None:
    usage = cli.json("usage", "show", "demo-enterprise")

    (seats,) = (metric for metric in usage["metrics"] if metric["metric"] == "seats")
    assert (seats["included"], seats["percentage"]) == (None, None)


def test_at_chooses_the_period(cli: Cli, tenant: dict[str, Any]) -> None:
    at = "2031-02-15"

    period = cli.json("usage", "show", tenant["id"], "--at", at)["period"]

    start, end = (datetime.fromisoformat(period[side]) for side in ("start", "end"))
    assert start <= datetime(2031, 2, 15, tzinfo=UTC) < end


def test_people_see_a_line_per_metric(cli: Cli, tenant: dict[str, Any]) -> None:
    shown = cli.text("usage", "show", tenant["id"])

    (calls,) = (line.split() for line in shown.splitlines() if line.startswith("api_calls"))
    assert calls[-4:] == ["0", "1,000", "0", "%"]


def test_an_unknown_tenant_or_date_is_one_line(cli: Cli, tenant: dict[str, Any], name: str) -> None:
    assert f"{name}-x" in cli.error("usage", "show", f"{name}-x")
    assert "yesterday" in cli.error("usage", "show", tenant["id"], "--at", "yesterday")
