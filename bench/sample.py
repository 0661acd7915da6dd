"""What one run showed, and what the runs of all rounds show together."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from bench.latency import Latency

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Sample:
    """Costs are microseconds of CPU per check; None where the part does not take part."""

    per_second: float
    failed_share: float
    server_us: float | None = None
    redis_us: float | None = None
    # Of `redis_us`, what Redis itself counts for the script.
    redis_script_us: float | None = None
    envoy_us: float | None = None
    # Of the machine's CPU, what was used by neither us nor what we measure.
    others_share: float = 0.0

    @classmethod
    def median(cls, samples: Sequence[Sample]) -> Self:
        """Of each value by itself."""
        medians: dict[str, Any] = {
            field.name: _median([getattr(sample, field.name) for sample in samples])
            for field in fields(cls)
        }
        return cls(**medians)


@dataclass(frozen=True)
class Row:
    """One subject under one load: medians of all rounds."""

    subject: str
    title: str
    in_flight: int
    median: Sample
    per_second_min: float
    per_second_max: float
    latency: Latency | None

    @classmethod
    def of(
        cls,
        subject: str,
        title: str,
        in_flight: int,
        samples: Sequence[Sample],
        latencies: Sequence[Latency],
    ) -> Self:
        rates = [sample.per_second for sample in samples]
        return cls(
            subject=subject,
            title=title,
            in_flight=in_flight,
            median=Sample.median(samples),
            per_second_min=min(rates),
            per_second_max=max(rates),
            latency=Latency.median(latencies) if latencies else None,
        )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
