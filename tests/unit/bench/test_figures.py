"""Figures are made from what was measured, and never from anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.figures import figures, left_out
from bench.latency import Latency
from bench.memory import Memory
from tests.unit.bench.rows import measured, row

DIRECT = [
    row("grpc_aio_noop", 128, 4_000),
    row("wire_noop", 128, 200_000),
    row("wire_full", 128, 50_000, server_us=11.0, redis_us=10.0),
    # Other loads must not be taken for the one that counts.
    row("wire_full", 256, 1, server_us=99.0),
    row("wire_full", 32, 40_000, latency=Latency(400, 1_000, 2_000)),
]
ENVOY = [
    row("none", 32, 10_000),
    row("wire_noop", 32, 8_000),
    row("wire_full", 32, 7_000),
]
NEEDS_WIRE = {"wire_noop_over_grpc_aio", "wire_full_over_grpc_aio", "envoy_full_over_noop"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wire_noop_over_grpc_aio", 50),
        ("wire_full_over_grpc_aio", 12.5),
        ("worker_us_per_check", 11),
        ("redis_us_per_check", 10),
        ("parse_us", 2.5),
        ("envoy_full_over_noop", 0.875),
        ("envoy_full_over_none", 0.7),
        ("p99_over_p50", 2.5),
        ("memory_growth_mb", 4),
        ("two_workers_over_one", 1.9),
    ],
)
def test_figure(name: str, value: float) -> None:
    memory = Memory("wire_full", at_start=50, at_100_000=60, at_1_000_000=64)
    everything = replace(measured(DIRECT, ENVOY), memory=memory, two_workers_over_one=1.9)
    assert figures(everything)[name] == pytest.approx(value)
    assert left_out(everything) == {}


def test_what_was_not_measured_is_left_out_with_a_reason() -> None:
    run = measured(
        [row("grpc_aio_noop", 128, 4_000), row("grpcio_full", 128, 1_500, server_us=600.0)],
        [row("none", 32, 10_000), row("grpcio_full", 32, 1_400)],
        shipped="grpcio_full",
    )
    assert figures(run) == {
        "worker_us_per_check": 600,
        "parse_us": 2.5,
        "envoy_full_over_none": pytest.approx(0.14),
    }
    assert left_out(run).keys() >= NEEDS_WIRE
    assert left_out(run)["two_workers_over_one"] == "needs 4 cores"


def test_nothing_is_divided_by_a_yardstick_that_answered_nothing() -> None:
    run = measured([row("grpc_aio_noop", 128, 0), row("wire_full", 128, 50_000)], [])
    assert "wire_full_over_grpc_aio" not in figures(run)
