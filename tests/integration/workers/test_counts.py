"""Metrics of several processes as if of one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ext_authz.workers.counts import Counts


def told_by_a_process(calls: int, seconds: float, memory: int) -> str:
    registry = CollectorRegistry()
    Counter("calls", "Calls", ["outcome"], registry=registry).labels("allowed").inc(calls)
    Histogram("seconds", "Time", buckets=(0.1, 1.0), registry=registry).observe(seconds)
    Gauge("process_resident_memory_bytes", "Memory", registry=registry).set(memory)
    Gauge("process_max_fds", "Limit", registry=registry).set(1_024)
    return generate_latest(registry).decode()


def told_by(counts: Counts) -> str:
    registry = CollectorRegistry()
    registry.register(counts)  # type: ignore[arg-type]
    return generate_latest(registry).decode()


def test_the_sum_of_one_is_what_it_told() -> None:
    text = told_by_a_process(3, 0.5, 100)
    assert told_by(Counts.sum([Counts.parse(text)])) == text


def test_counters_buckets_and_quantities_are_added_and_a_limit_is_not() -> None:
    first, second = told_by_a_process(3, 0.05, 100), told_by_a_process(4, 0.5, 200)
    lines = told_by(Counts.sum([Counts.parse(first), Counts.parse(second)])).splitlines()
    for line in (
        'calls_total{outcome="allowed"} 7.0',
        'seconds_bucket{le="0.1"} 1.0',
        'seconds_bucket{le="1.0"} 2.0',
        'seconds_bucket{le="+Inf"} 2.0',
        "seconds_count 2.0",
        "seconds_sum 0.55",
        "process_resident_memory_bytes 300.0",
        "process_max_fds 1024.0",
    ):
        assert line in lines


def test_a_label_that_only_one_has_seen_is_kept() -> None:
    registry = CollectorRegistry()
    Counter("calls", "Calls", ["outcome"], registry=registry).labels("denied").inc()
    other = Counts.parse(generate_latest(registry).decode())
    lines = told_by(Counts.sum([Counts.parse(told_by_a_process(3, 1, 1)), other])).splitlines()
    assert 'calls_total{outcome="allowed"} 3.0' in lines
    assert 'calls_total{outcome="denied"} 1.0' in lines


def test_of_the_dead_only_what_grows_is_kept() -> None:
    lines = told_by(Counts.parse(told_by_a_process(3, 0.5, 100)).only_growing()).splitlines()
    assert 'calls_total{outcome="allowed"} 3.0' in lines
    assert "seconds_count 1.0" in lines
    assert [line for line in lines if line.startswith("process")] == []
