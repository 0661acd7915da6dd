"""A row is the median of its rounds, value by value."""

from __future__ import annotations

from bench.latency import Latency
from bench.sample import Row, Sample


def test_each_value_has_its_own_median() -> None:
    rounds = [
        Sample(100, 0.0, server_us=9.0),
        Sample(300, 0.5, server_us=7.0),
        Sample(200, 0.1, server_us=8.0),
    ]
    assert Sample.median(rounds) == Sample(200, 0.1, server_us=8.0)


def test_what_takes_no_part_stays_unknown() -> None:
    assert Sample.median([Sample(1, 0.0), Sample(2, 0.0)]).redis_us is None


def test_row_keeps_the_spread_of_its_rounds() -> None:
    row = Row.of("a", "A", 32, [Sample(90, 0), Sample(110, 0), Sample(100, 0)], [])
    assert (row.per_second_min, row.median.per_second, row.per_second_max) == (90, 100, 110)
    assert row.latency is None


def test_row_has_the_median_latency() -> None:
    latencies = [Latency(1, 2, 3), Latency(3, 4, 5)]
    assert Row.of("a", "A", 32, [Sample(1, 0)], latencies).latency == Latency(2, 3, 4)
