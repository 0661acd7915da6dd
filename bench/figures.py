"""The few figures that are watched, from the many that were measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.plan import BUSY_IN_FLIGHT, COMMON_IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.cores import Cores
    from bench.memory import Memory
    from bench.sample import Row

GRPC_AIO_NOOP = "grpc_aio_noop"
WIRE_NOOP = "wire_noop"
WIRE_FULL = "wire_full"
NO_GATE = "none"

_NOT_MEASURED = "needs a subject that was not measured"


@dataclass(frozen=True)
class Measured:
    """All that figures are made of; `shipped` is the subject that is the product's gate."""

    shipped: str
    # Of the direct runs; those through Envoy are left to the system.
    cores: Cores
    direct: Sequence[Row]
    through_envoy: Sequence[Row]
    parse_us: float
    memory: Memory | None = None
    two_workers_over_one: float | None = None
    # Why something could not be measured, by figure.
    reasons: dict[str, str] = field(default_factory=dict)


def figures(measured: Measured) -> dict[str, float]:
    """By name; what could not be measured is left out."""
    return {name: value for name, value in _all(measured).items() if value is not None}


def left_out(measured: Measured) -> dict[str, str]:
    """Why, for each figure that is not there."""
    return {
        name: measured.reasons.get(name, _NOT_MEASURED)
        for name, value in _all(measured).items()
        if value is None
    }


def _all(measured: Measured) -> dict[str, float | None]:
    direct, envoy, shipped = measured.direct, measured.through_envoy, measured.shipped
    busy = find_row(direct, shipped, BUSY_IN_FLIGHT)
    common = find_row(direct, shipped, COMMON_IN_FLIGHT)
    latency = common.latency if common else None
    return {
        "wire_noop_over_grpc_aio": _ratio(direct, WIRE_NOOP, GRPC_AIO_NOOP, BUSY_IN_FLIGHT),
        "wire_full_over_grpc_aio": _ratio(direct, WIRE_FULL, GRPC_AIO_NOOP, BUSY_IN_FLIGHT),
        "worker_us_per_check": busy.median.server_us if busy else None,
        "redis_us_per_check": busy.median.redis_us if busy else None,
        "parse_us": measured.parse_us,
        "envoy_full_over_noop": _ratio(envoy, WIRE_FULL, WIRE_NOOP, COMMON_IN_FLIGHT),
        "envoy_full_over_none": _ratio(envoy, shipped, NO_GATE, COMMON_IN_FLIGHT),
        "p99_over_p50": latency.p99 / latency.p50 if latency else None,
        "memory_growth_mb": measured.memory.growth if measured.memory else None,
        "two_workers_over_one": measured.two_workers_over_one,
    }


def find_row(rows: Sequence[Row], subject: str, in_flight: int) -> Row | None:
    return next(
        (row for row in rows if row.subject == subject and row.in_flight == in_flight), None
    )


def _ratio(rows: Sequence[Row], subject: str, other: str, in_flight: int) -> float | None:
    """How many times the throughput of the other."""
    one, two = find_row(rows, subject, in_flight), find_row(rows, other, in_flight)
    if one is None or two is None or not two.median.per_second:
        return None
    return one.median.per_second / two.median.per_second
