"""Any sequence of calls and settlements gets the answers that exact arithmetic gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from tests.support.frozen_gate import PERIOD_END, PERIOD_START, FrozenGate, Limits
from tests.support.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Iterator

small = st.integers(1, 5)
policies = st.builds(
    Limits,
    burst_interval=st.sampled_from([1, 7, 333_334, 100_000, 2_000_000]),
    burst_capacity=small | st.integers(1, 1_000),
    rate_per_minute=small | st.integers(1, 100_000),
    limit=st.integers(-1, 12),
    included=st.integers(-1, 12),
)
# Ahead by anything from nothing to two months, often to just around a window's edge; also back.
steps = st.one_of(
    st.tuples(
        st.just("admit"),
        st.one_of(
            st.integers(0, 3),
            st.integers(0, 400_000),
            st.integers(59_999_990, 60_000_010),
            st.integers(0, 180_000_000),
            st.integers(0, 3_000_000_000_000),
            st.integers(-130_000_000, 0),
        ),
        st.integers(0, 4),
    ),
    st.tuples(st.just("settle"), st.integers(0, 12), st.integers(0, 12)),
)
starts = st.integers(PERIOD_START, PERIOD_END) | st.integers(
    PERIOD_END - 200_000_000, PERIOD_END + 200_000_000
)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(policy=policies, start=starts, sequence=st.lists(steps, min_size=1, max_size=25))
def test_every_answer_is_the_oracles(
    redis: Redis, policy: Limits, start: int, sequence: list[tuple[str, int, int]]
) -> None:
    redis.flushall()
    gate, oracle = FrozenGate(redis), Oracle(policy)
    gate.configure(policy)
    now = start
    for kind, first, second in sequence:
        if kind == "admit":
            now = max(PERIOD_START, now + first)
            assert gate.admit(now, units=second) == oracle.admit(now, units=second)
        else:
            period = PERIOD_START if now < PERIOD_END else PERIOD_END
            settled = gate.settle(used=first, carried=second, period_start=period)
            assert settled == oracle.settle(first, second, period)
