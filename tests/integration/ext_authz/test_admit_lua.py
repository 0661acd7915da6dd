"""`admit.lua` by case tables, on a real Redis with a frozen clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from ext_authz import keyspace
from tests.support.frozen_gate import (
    KEY_SHA256,
    PARTITION,
    PERIOD_END,
    PERIOD_START,
    TENANT,
    FrozenGate,
    Limits,
)
from tollkeeper.api.policy.v1.policy_pb2 import KeyPolicy, PolicyChange, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000
MINUTE = 60 * SECOND
# The middle of a period, at the start of a minute.
NOON = PERIOD_START + 15 * 86_400 * SECOND


@pytest.fixture
def gate(redis_url: str) -> Iterator[FrozenGate]:
    with Redis.from_url(redis_url) as redis:
        yield FrozenGate(redis)


WHO_MAY_PASS = [
    # what, policy, scope asked, outcome
    ("active", Limits(), "", "allowed"),
    ("key revoked", Limits(key_status=Status.STATUS_REVOKED), "", "credential_revoked"),
    (
        "key of unknown status",
        Limits(key_status=Status.STATUS_UNSPECIFIED),
        "",
        "credential_revoked",
    ),
    ("expires in a microsecond", Limits(expires_at=NOON + 1), "", "allowed"),
    ("expires now", Limits(expires_at=NOON), "", "credential_expired"),
    ("expired", Limits(expires_at=NOON - 1), "", "credential_expired"),
    ("suspended", Limits(status=Status.STATUS_SUSPENDED), "", "tenant_suspended"),
    ("tenant of unknown status", Limits(status=Status.STATUS_UNSPECIFIED), "", "tenant_suspended"),
    (
        "revoked wins over suspended",
        Limits(key_status=Status.STATUS_REVOKED, status=Status.STATUS_SUSPENDED),
        "",
        "credential_revoked",
    ),
    ("every scope", Limits(scopes=("*",)), "admin", "allowed"),
    ("the scope", Limits(scopes=("read", "admin")), "admin", "allowed"),
    ("another scope", Limits(scopes=("read",)), "admin", "scope_missing"),
    ("part of a scope", Limits(scopes=("admin.read",)), "admin", "scope_missing"),
    ("a scope that looks like a pattern", Limits(scopes=("admin",)), "adm.n", "scope_missing"),
    ("no scope at all", Limits(scopes=()), "admin", "scope_missing"),
    ("no scope, none asked", Limits(scopes=()), "", "allowed"),
    ("scope before burst", Limits(scopes=(), burst_capacity=1), "admin", "scope_missing"),
    ("quota of nothing", Limits(limit=0, included=0), "", "quota_exceeded"),
    ("no quota", Limits(limit=-1, included=-1), "", "allowed"),
]


@pytest.mark.parametrize(
    ("limits", "scope", "outcome"),
    [case[1:] for case in WHO_MAY_PASS],
    ids=[case[0] for case in WHO_MAY_PASS],
)
def test_who_may_pass(gate: FrozenGate, limits: Limits, scope: str, outcome: str) -> None:
    gate.configure(limits)
    before = gate.everything()
    assert gate.admit(NOON, scope=scope)[0] == outcome
    if outcome != "allowed":
        assert gate.everything() == before


def test_an_unknown_key_is_refused(gate: FrozenGate) -> None:
    assert gate.admit(NOON) == ["credential_unknown", NOON]


def test_a_key_without_its_tenant_is_unknown(gate: FrozenGate) -> None:
    gate.configure(Limits())
    gate.redis.delete(keyspace.tenant_prefix(PARTITION) + TENANT)
    assert gate.admit(NOON) == ["credential_unknown", NOON]


def test_a_metric_that_the_plan_does_not_sell_is_refused(gate: FrozenGate) -> None:
    gate.configure(Limits())
    assert gate.admit(NOON, metric="teapots")[0] == "quota_exceeded"


# Each step: microseconds after NOON, outcome, retry after in microseconds.
SEQUENCES = {
    "burst: as many at once as the capacity, then one per interval": (
        Limits(burst_interval=100_000, burst_capacity=3),
        [
            (0, "allowed", 0),
            (0, "allowed", 0),
            (0, "allowed", 0),
            (0, "burst_exceeded", 100_000),
            (99_999, "burst_exceeded", 1),
            (100_000, "allowed", 0),
            (100_000, "burst_exceeded", 100_000),
            (500_000, "allowed", 0),
            (500_000, "allowed", 0),
            (500_000, "allowed", 0),
            (500_000, "burst_exceeded", 100_000),
        ],
    ),
    "burst: a clock that jumped back starts with a full bucket": (
        Limits(burst_interval=100_000, burst_capacity=1),
        [
            (3600 * SECOND, "allowed", 0),
            (0, "allowed", 0),
            (0, "burst_exceeded", 100_000),
        ],
    ),
    "rate: the limit in one minute, then none before it slides out": (
        Limits(rate_per_minute=2),
        [
            (0, "allowed", 0),
            (30 * SECOND, "allowed", 0),
            # Two in this minute: in the next they weigh 2 x (60 - t) / 60, so one fits at 30 s.
            (45 * SECOND, "rate_exceeded", 45 * SECOND),
            (MINUTE + 30 * SECOND - 1, "rate_exceeded", 1),
            (MINUTE + 30 * SECOND, "allowed", 0),
            (MINUTE + 30 * SECOND, "rate_exceeded", 30 * SECOND),
            (2 * MINUTE, "allowed", 0),
        ],
    ),
    "rate: one a minute": (
        Limits(rate_per_minute=1),
        [
            (10 * SECOND, "allowed", 0),
            (10 * SECOND, "rate_exceeded", 110 * SECOND),
            (2 * MINUTE - 1, "rate_exceeded", 1),
            (2 * MINUTE, "allowed", 0),
        ],
    ),
    "rate: seven a minute, where the wait is no whole number": (
        Limits(rate_per_minute=7),
        [
            *[(0, "allowed", 0)] * 7,
            (0, "rate_exceeded", 68_571_429),
            (68_571_428, "rate_exceeded", 1),
            (68_571_429, "allowed", 0),
        ],
    ),
    "rate: a clock slightly behind does not make the minute anew": (
        Limits(rate_per_minute=2),
        [
            (2 * MINUTE, "allowed", 0),
            (2 * MINUTE - SECOND, "allowed", 0),
            (2 * MINUTE - SECOND, "rate_exceeded", 91 * SECOND),
            (2 * MINUTE, "rate_exceeded", 90 * SECOND),
        ],
    ),
    "rate: a clock that jumped back by more than a minute starts anew": (
        Limits(rate_per_minute=1),
        [
            (2 * MINUTE, "allowed", 0),
            (0, "allowed", 0),
            (0, "rate_exceeded", 2 * MINUTE),
        ],
    ),
    "quota: the last unit is admitted, the next is not": (
        Limits(limit=3, included=3),
        [
            (0, "allowed", 0),
            (1, "allowed", 0),
            (2, "allowed", 0),
            (3, "quota_exceeded", PERIOD_END - NOON - 3),
        ],
    ),
    "quota: a new period begins at its first microsecond": (
        Limits(limit=1, included=1),
        [
            (0, "allowed", 0),
            (PERIOD_END - NOON - 1, "quota_exceeded", 1),
            (PERIOD_END - NOON, "allowed", 0),
            (PERIOD_END - NOON + 1, "quota_exceeded", 31 * 86_400 * SECOND - 1),
        ],
    ),
    "burst comes before rate, rate before quota": (
        Limits(burst_capacity=1, rate_per_minute=1, limit=1, included=1),
        [
            (0, "allowed", 0),
            (0, "burst_exceeded", 100_000),
            (SECOND, "rate_exceeded", 119 * SECOND),
            (2 * MINUTE, "quota_exceeded", PERIOD_END - NOON - 2 * MINUTE),
        ],
    ),
}


@pytest.mark.parametrize(("limits", "steps"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_limits_are_exact_at_their_boundary(
    gate: FrozenGate, limits: Limits, steps: list[tuple[int, str, int]]
) -> None:
    gate.configure(limits)
    for offset, outcome, retry_after in steps:
        before = gate.everything()
        reply = gate.admit(NOON + offset)
        assert (offset, reply[0], reply[5]) == (offset, outcome, retry_after)
        if outcome != "allowed":
            assert gate.everything() == before


def test_an_admitted_call_leaves_one_charge_with_all_that_the_ledger_needs(
    gate: FrozenGate,
) -> None:
    gate.configure(Limits())
    gate.admit(NOON, units=7)
    assert gate.charges() == [
        {
            b"charge": f"dec_{NOON}".encode(),
            b"tenant": TENANT.encode(),
            b"key": b"key_oracle",
            b"metric": b"api_calls",
            b"units": b"7",
            b"at": str(NOON).encode(),
            b"request": b"request-1",
        }
    ]


def test_what_the_ledger_has_and_what_it_does_not_have_yet_add_up(gate: FrozenGate) -> None:
    gate.configure(Limits(limit=10, included=10))
    for _ in range(4):
        gate.admit(NOON)
    # The ledger has three of the four, one of them corrected to nothing, and five from elsewhere.
    gate.settle(used=7, carried=3)
    assert gate.admit(NOON, units=3)[0] == "quota_exceeded"
    assert gate.admit(NOON, units=2)[0] == "allowed"


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
    assert gate.admit(NOON)[0] == "quota_exceeded"


def test_a_stale_policy_does_not_bring_a_revoked_key_back(gate: FrozenGate) -> None:
    gate.configure(Limits(key_status=Status.STATUS_REVOKED))
    active = KeyPolicy(
        key_id="key_oracle", tenant_id=TENANT, key_sha256=KEY_SHA256, status=Status.STATUS_ACTIVE
    )
    assert not gate.apply(PolicyChange(key=active), version=gate.version)
    assert gate.admit(NOON)[0] == "credential_revoked"
