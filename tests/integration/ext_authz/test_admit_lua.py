"""`admit.lua` by case tables, on a real Redis with a frozen clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.support.frozen_gate import (
    KEY_SHA256,
    PERIOD_END,
    PERIOD_START,
    TENANT,
    FrozenGate,
    Limits,
)
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED, BURST_EXCEEDED, RATE_EXCEEDED, QUOTA_EXCEEDED = 0, 1, 2, 3
SECOND = 1_000_000
MINUTE = 60 * SECOND
# The middle of a period, at the start of a minute.
NOON = PERIOD_START + 15 * 86_400 * SECOND


@pytest.fixture
def gate(redis_url: str) -> Iterator[FrozenGate]:
    with Redis.from_url(redis_url) as redis:
        yield FrozenGate(redis)


def test_a_metric_that_the_plan_does_not_sell_is_refused(gate: FrozenGate) -> None:
    gate.configure(Limits())
    assert gate.admit(NOON, metric="teapots")[0] == QUOTA_EXCEEDED


# Each step: microseconds after NOON, outcome, retry after in microseconds.
SEQUENCES = {
    "burst: as many at once as the capacity, then one per interval": (
        Limits(burst_interval=100_000, burst_capacity=3),
        [
            (0, ALLOWED, 0),
            (0, ALLOWED, 0),
            (0, ALLOWED, 0),
            (0, BURST_EXCEEDED, 100_000),
            (99_999, BURST_EXCEEDED, 1),
            (100_000, ALLOWED, 0),
            (100_000, BURST_EXCEEDED, 100_000),
            (500_000, ALLOWED, 0),
            (500_000, ALLOWED, 0),
            (500_000, ALLOWED, 0),
            (500_000, BURST_EXCEEDED, 100_000),
        ],
    ),
    "burst: a clock that jumped back starts with a full bucket": (
        Limits(burst_interval=100_000, burst_capacity=1),
        [
            (3600 * SECOND, ALLOWED, 0),
            (0, ALLOWED, 0),
            (0, BURST_EXCEEDED, 100_000),
        ],
    ),
    "rate: the limit in one minute, then none before it slides out": (
        Limits(rate_per_minute=2),
        [
            (0, ALLOWED, 0),
            (30 * SECOND, ALLOWED, 0),
            # Two in this minute: in the next they weigh 2 x (60 - t) / 60, so one fits at 30 s.
            (45 * SECOND, RATE_EXCEEDED, 45 * SECOND),
            (MINUTE + 30 * SECOND - 1, RATE_EXCEEDED, 1),
            (MINUTE + 30 * SECOND, ALLOWED, 0),
            (MINUTE + 30 * SECOND, RATE_EXCEEDED, 30 * SECOND),
            (2 * MINUTE, ALLOWED, 0),
        ],
    ),
    "rate: one a minute": (
        Limits(rate_per_minute=1),
        [
            (10 * SECOND, ALLOWED, 0),
            (10 * SECOND, RATE_EXCEEDED, 110 * SECOND),
            (2 * MINUTE - 1, RATE_EXCEEDED, 1),
            (2 * MINUTE, ALLOWED, 0),
        ],
    ),
    "rate: seven a minute, where the wait is no whole number": (
        Limits(rate_per_minute=7),
        [
            *[(0, ALLOWED, 0)] * 7,
            (0, RATE_EXCEEDED, 68_571_429),
            (68_571_428, RATE_EXCEEDED, 1),
            (68_571_429, ALLOWED, 0),
        ],
    ),
    "rate: a clock slightly behind does not make the minute anew": (
        Limits(rate_per_minute=2),
        [
            (2 * MINUTE, ALLOWED, 0),
            (2 * MINUTE - SECOND, ALLOWED, 0),
            (2 * MINUTE - SECOND, RATE_EXCEEDED, 91 * SECOND),
            (2 * MINUTE, RATE_EXCEEDED, 90 * SECOND),
        ],
    ),
    "rate: a clock that jumped back by more than a minute starts anew": (
        Limits(rate_per_minute=1),
        [
            (2 * MINUTE, ALLOWED, 0),
            (0, ALLOWED, 0),
            (0, RATE_EXCEEDED, 2 * MINUTE),
        ],
    ),
    "quota: the last unit is admitted, the next is not": (
        Limits(limit=3, included=3),
        [
            (0, ALLOWED, 0),
            (1, ALLOWED, 0),
            (2, ALLOWED, 0),
            (3, QUOTA_EXCEEDED, PERIOD_END - NOON - 3),
        ],
    ),
    "quota: a new period begins at its first microsecond": (
        Limits(limit=1, included=1),
        [
            (0, ALLOWED, 0),
            (PERIOD_END - NOON - 1, QUOTA_EXCEEDED, 1),
            (PERIOD_END - NOON, ALLOWED, 0),
            (PERIOD_END - NOON + 1, QUOTA_EXCEEDED, 31 * 86_400 * SECOND - 1),
        ],
    ),
    "burst comes before rate, rate before quota": (
        Limits(burst_capacity=1, rate_per_minute=1, limit=1, included=1),
        [
            (0, ALLOWED, 0),
            (0, BURST_EXCEEDED, 100_000),
            (SECOND, RATE_EXCEEDED, 119 * SECOND),
            (2 * MINUTE, QUOTA_EXCEEDED, PERIOD_END - NOON - 2 * MINUTE),
        ],
    ),
}


@pytest.mark.parametrize(("limits", "steps"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_limits_are_exact_at_their_boundary(
    gate: FrozenGate, limits: Limits, steps: list[tuple[int, int, int]]
) -> None:
    gate.configure(limits)
    for offset, outcome, retry_after in steps:
        before = gate.everything()
        reply = gate.admit(NOON + offset)
        assert (offset, *reply[:3:2]) == (offset, outcome, retry_after)
        if outcome != ALLOWED:
            assert gate.everything() == before


def test_an_admitted_call_leaves_one_charge_with_all_that_the_ledger_needs(
    gate: FrozenGate,
) -> None:
    gate.configure(Limits())
    gate.admit(NOON, units=7)
    assert gate.charges() == [
        {
            b"at": str(NOON).encode(),
            b"call": f"dec_{NOON} {TENANT} key_oracle api_calls 7 request 1".encode(),
        }
    ]


def test_what_the_ledger_has_and_what_it_does_not_have_yet_add_up(gate: FrozenGate) -> None:
    gate.configure(Limits(limit=10, included=10))
    for _ in range(4):
        gate.admit(NOON)
    # The ledger has three of the four, one of them corrected to nothing, and five from elsewhere.
    gate.settle(used=7, carried=3)
    assert gate.admit(NOON, units=3)[0] == QUOTA_EXCEEDED
    assert gate.admit(NOON, units=2)[0] == ALLOWED


def test_a_stale_settlement_changes_nothing(gate: FrozenGate) -> None:
    gate.configure(Limits(limit=10, included=10))
    assert gate.settle(used=9, carried=0)
    gate.version -= 1
    before = gate.everything()
    assert not gate.settle(used=1, carried=0)
    assert gate.everything() == before


def test_a_late_settlement_of_a_period_that_is_over_changes_nothing(gate: FrozenGate) -> None:
    gate.configure(Limits())
    gate.admit(PERIOD_END)
    before = gate.everything()
    assert not gate.settle(used=9, carried=9, period_start=PERIOD_START)
    assert gate.everything() == before


def test_an_emptied_redis_takes_over_what_the_ledger_has(gate: FrozenGate) -> None:
    gate.settle(used=10, carried=10)
    gate.configure(Limits(limit=10, included=10))
    assert gate.admit(NOON)[0] == QUOTA_EXCEEDED


def test_a_stale_policy_does_not_bring_a_revoked_key_back(gate: FrozenGate) -> None:
    gate.configure(Limits(key_status=Status.STATUS_REVOKED))
    before = gate.everything()
    active = KeyPolicy(
        key_id="key_oracle", tenant_id=TENANT, key_sha256=KEY_SHA256, status=Status.STATUS_ACTIVE
    )
    assert not gate.apply(PolicyChange(key=active), version=gate.version)
    assert gate.everything() == before
