"""Percentiles are values that somebody really waited."""

from __future__ import annotations

import pytest

from bench.latency import Latency, percentile

HUNDRED = list(range(1, 101))
THOUSAND = list(range(1, 1001))


@pytest.mark.parametrize(
    ("waits", "rank", "expected"),
    [
        ([7], 50, 7),
        ([7], 99.9, 7),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        (HUNDRED, 50, 50),
        (HUNDRED, 99, 99),
        (HUNDRED, 99.9, 100),
        (THOUSAND, 99.9, 999),
        (THOUSAND, 100, 1000),
        (THOUSAND, 0, 1),
    ],
)
def test_percentile_is_the_smallest_that_so_many_do_not_exceed(
    waits: list[int], rank: float, expected: int
) -> None:
    assert percentile(waits, rank) == expected


def test_order_of_arrival_does_not_matter() -> None:
    assert Latency.of(THOUSAND[::-1]) == Latency(500, 990, 999)


def test_no_answers_have_no_latency() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Latency.of([])


def test_one_slow_round_of_three_does_not_show() -> None:
    rounds = [Latency(10, 20, 30), Latency(1000, 2000, 3000), Latency(12, 22, 32)]
    assert Latency.median(rounds) == Latency(12, 22, 32)
