from __future__ import annotations

import pytest

from ledger.domain.catalogue import parse_catalogue
from ledger.domain.plan import Plan, plan_from_document
from ledger.store.plans import read_catalogue
from tollkeeper.runtime.errors import OperatorError

_SOUND = """
solo:
  name: Solo
  base_price: 9.50 UAH
  limits:
    burst_per_second: 10
    burst_capacity: 20
    rate_per_minute: 300
  quotas:
    api_calls:
      included: 1_000
      cap: soft
      grace_percent: 10
    llm_tokens:
      included: 5
      cap: none
      overage: 0.01 UAH per 1000
"""
_QUOTA = "solo.quotas.api_calls"


def parse(text: str) -> tuple[Plan, ...]:
    return parse_catalogue(text, "plans.yaml").plans


def faults(text: str) -> list[str]:
    with pytest.raises(OperatorError) as raised:
        parse(text)
    return str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "line", "fault"),
    [
        ("cap: soft", "cap: sotf", 12, f"{_QUOTA}.cap: must be hard, soft or none"),
        ("included: 1_000", "included: many", 11, f"{_QUOTA}.included: must be a whole number"),
        ("included: 1_000", "included: 1.5", 11, f"{_QUOTA}.included: must be a whole number"),
        ("included: 1_000", "included: -1", 11, f"{_QUOTA}.included: must be a whole number"),
        ("included: 1_000", "included: true", 11, f"{_QUOTA}.included: must be a whole number"),
        ("included: 1_000", "price: 1", 10, f"{_QUOTA}.included: is missing"),
        ("included: 1_000", "included: 1\n      icnluded: 2", 12, f"{_QUOTA}.icnluded: is not a"),
        ("cap: soft", "cap: soft\n      cap: hard", 13, f"{_QUOTA}.cap: is given twice"),
        ("grace_percent: 10", "grace_percent: -1", 13, f"{_QUOTA}.grace_percent: must be at least"),
        ("grace_percent: 10", "grace_percent: ten", 13, f"{_QUOTA}.grace_percent: must be a whole"),
        ("      grace_percent: 10\n", "", 10, f"{_QUOTA}: must have grace_percent"),
        ("cap: soft", "cap: hard", 10, f"{_QUOTA}: must have grace_percent if its cap is soft"),
        ("cap: none", "cap: hard", 14, "solo.quotas.llm_tokens: sells overage"),
        ("      overage: 0.01 UAH per 1000\n", "", 14, "solo.quotas.llm_tokens: has no cap"),
        ("included: 5", "included: unlimited", 14, "solo.quotas.llm_tokens: is unlimited"),
        ("0.01 UAH per 1000", "0.01", 17, "solo.quotas.llm_tokens.overage: must name its currency"),
        ("0.01 UAH per 1000", "1 UAH per 0", 17, "solo.quotas.llm_tokens.overage: must be a price"),
        ("0.01 UAH per 1000", "1e3 UAH", 17, "solo.quotas.llm_tokens.overage: must be a price"),
        ("0.01 UAH per 1000", "1 UAH per 3", 17, "solo.quotas.llm_tokens.overage: is finer"),
        ("0.01 UAH per 1000", "1 USD", 2, "solo: is sold in UAH, so the overage of llm_tokens"),
        ("9.50 UAH", "9.50", 4, "solo.base_price: must name its currency, like 9.5 USD"),
        ("9.50 UAH", "9.50 UAH per 10", 4, "solo.base_price: must be an amount"),
        ("9.50 UAH", "9.0000001 UAH", 4, "solo.base_price: is finer"),
        ("9.50 UAH", "9000001 UAH", 4, "solo.base_price: must be at most"),
        ("9.50 UAH", "-1 UAH", 4, "solo.base_price: must be an amount"),
        ("9.50 UAH", "[1]", 4, "solo.base_price: must be a price"),
        ("name: Solo", "name: 7", 3, "solo.name: must be text"),
        ("name: Solo", "name: ''", 3, "solo.name: must not be empty"),
        ("burst_capacity: 20", "burst_capacity: 0", 7, "solo.limits.burst_capacity: must be at"),
        ("    rate_per_minute: 300\n", "", 5, "solo.limits.rate_per_minute: is missing"),
        ("solo:", "Solo Plan:", 2, "Solo Plan: must be of a-z"),
        ("api_calls:", "API:", 10, "solo.quotas.API: must be of a-z"),
        ("solo:", "7:", 2, "has a key that is not text"),
        ("name: Solo", "name: 2025-99-99", 3, "solo.name: '2025-99-99' is not a value"),
        ("name: Solo", "name: &x [*x]", 3, "solo.name.0: contains itself"),
        ("name: Solo", "name: [Solo", 4, "is not YAML: "),
        ("name: Solo", "name: !!python/name:os", 3, "solo.name: "),
        ("name: Solo", "name: \x07", 1, "is not YAML: "),
    ],
)
def test_a_fault_is_named_with_its_line_and_its_path(
    old: str, new: str, line: int, fault: str
) -> None:
    assert old in _SOUND

    found = faults(_SOUND.replace(old, new, 1))

    assert any(text.startswith(f"plans.yaml:{line}: {fault}") for text in found), found


def test_all_faults_are_named_together_in_the_order_of_their_lines() -> None:
    text = (
        _SOUND.replace("9.50 UAH", "9.50")
        .replace("cap: soft", "cap: sotf")
        .replace("burst_capacity: 20", "burst_capacity: 0")
        .replace("included: 5", "included: 5\n      included: 6")
    )

    assert [found.partition(": ")[0] for found in faults(text)] == [
        "plans.yaml:4",
        "plans.yaml:7",
        "plans.yaml:12",
        "plans.yaml:16",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "[]", "free"])
def test_a_file_without_plans_is_a_fault(text: str) -> None:
    [fault] = faults(text)

    assert fault.startswith("plans.yaml:1: ")


def test_prices_are_exact_and_in_whole_picos() -> None:
    [plan] = parse(_SOUND)

    calls, tokens = plan.quotas
    assert (plan.base_price.currency, plan.base_price.micros) == ("UAH", 9_500_000)
    assert tokens.overage is not None
    assert tokens.overage.picos == 10_000_000
    assert calls.overage is None


@pytest.mark.parametrize(
    ("plan_id", "metric", "included", "gate_limit"),
    [
        ("free", "llm_tokens", 10_000, 11_000),
        ("free", "agent_executions", 100, 110),
        ("free", "api_calls", 1_000, 1_100),
        ("free", "storage_gb", 1, 1),
        ("free", "seats", 3, 3),
        ("standard", "llm_tokens", 1_000_000, -1),
        ("standard", "seats", 25, -1),
        ("enterprise", "storage_gb", 1_024, -1),
        ("enterprise", "seats", None, -1),
    ],
)
def test_the_gate_refuses_past_hard_caps_and_past_the_grace_of_soft_ones(
    plan_id: str, metric: str, included: int | None, gate_limit: int
) -> None:
    plan = read_catalogue(None).plan(plan_id)
    assert plan is not None

    quota = next(quota for quota in plan.quotas if quota.metric == metric)

    assert (quota.included, quota.gate_limit) == (included, gate_limit)


def test_our_own_catalogue_costs_what_we_say() -> None:
    prices = {
        (plan.id, quota.metric): quota.overage.picos
        for plan in read_catalogue(None).plans
        for quota in plan.quotas
        if quota.overage
    }

    dollar = 10**12
    assert prices == {
        ("standard", "llm_tokens"): dollar // 100 // 1_000,
        ("standard", "agent_executions"): dollar // 10,
        ("standard", "api_calls"): dollar // 1_000,
        ("standard", "storage_gb"): dollar // 2,
        ("standard", "seats"): 5 * dollar,
        ("enterprise", "llm_tokens"): dollar // 200 // 1_000,
        ("enterprise", "agent_executions"): dollar // 20,
        ("enterprise", "api_calls"): dollar // 2_000,
        ("enterprise", "storage_gb"): dollar // 4,
    }


def test_a_plan_survives_its_document() -> None:
    for plan in read_catalogue(None).plans:
        assert plan_from_document(plan.document) == plan
