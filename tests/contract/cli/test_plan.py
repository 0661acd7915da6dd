from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.cli import Cli

pytestmark = pytest.mark.xdist_group("stack")


def test_list_has_the_catalogue_cheapest_first(cli: Cli) -> None:
    plans = cli.json("plan", "list")["plans"]

    assert [(plan["id"], plan["base_price"]) for plan in plans] == [
        ("free", {"currency": "USD", "micros": 0}),
        ("standard", {"currency": "USD", "micros": 99_000_000}),
        ("enterprise", {"currency": "USD", "micros": 499_000_000}),
    ]


@pytest.mark.parametrize(
    ("plan", "metric", "included", "overage_picos"),
    [
        ("free", "api_calls", 1_000, None),
        ("standard", "api_calls", 100_000, 1_000_000_000),
        ("standard", "llm_tokens", 1_000_000, 10_000_000),
        ("enterprise", "api_calls", 1_000_000, 500_000_000),
        ("enterprise", "llm_tokens", 10_000_000, 5_000_000),
        ("enterprise", "seats", None, None),
    ],
)
def test_show_tells_what_is_included_and_what_more_costs(
    cli: Cli, plan: str, metric: str, included: int | None, overage_picos: int | None
) -> None:
    shown = cli.json("plan", "show", plan)

    (quota,) = (quota for quota in shown["quotas"] if quota["metric"] == metric)
    price = {"currency": "USD", "picos": overage_picos} if overage_picos else None
    assert (quota["included"], quota["overage"]) == (included, price)
    assert quota["cap"] in {"hard", "soft", "none"}
    assert all(shown["limits"].values())


def test_people_read_prices(cli: Cli) -> None:
    assert "$99.00" in cli.text("plan", "list")
    shown = cli.text("plan", "show", "standard")
    assert "$99.00 a month" in shown
    assert "$0.001 each" in shown


def test_an_unknown_plan_is_named(cli: Cli) -> None:
    assert "platinum" in cli.error("plan", "show", "platinum")
