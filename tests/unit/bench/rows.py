"""Rows as a run would leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cores import share_out
from bench.figures import Measured
from bench.sample import Row, Sample

if TYPE_CHECKING:
    from bench.latency import Latency


def row(
    subject: str,
    in_flight: int,
    per_second: float,
    *,
    server_us: float | None = None,
    redis_us: float | None = None,
    latency: Latency | None = None,
) -> Row:
    sample = Sample(per_second, 0.0, server_us=server_us, redis_us=redis_us)
    return Row.of(subject, f"<{subject}>", in_flight, [sample], [latency] if latency else [])


def measured(direct: list[Row], through_envoy: list[Row], shipped: str = "wire_full") -> Measured:
    return Measured(
        shipped=shipped,
        cores=share_out([0, 1]),
        direct=direct,
        through_envoy=through_envoy,
        parse_us=2.5,
        reasons={"two_workers_over_one": "needs 4 cores"},
    )
