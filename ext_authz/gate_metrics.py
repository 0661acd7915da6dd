"""What the gate counts: plain integers on the hot path, Prometheus' words when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class GateMetrics(Collector):
    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        """allowed, or the reason of a refusal, or unavailable."""
        self._counts = [0] * (len(_BUCKETS) + 1)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        decisions = CounterMetricFamily(
            "tollkeeper_decisions",
            "Decisions by outcome: allowed, or the reason of the refusal, or unavailable",
            labels=["outcome"],
        )
        for outcome, count in self.outcomes.items():
            decisions.add_metric([outcome], count)
        yield decisions
        yield HistogramMetricFamily(
            "tollkeeper_check_seconds",
            "From Envoy's question to the answer",
            buckets=list(self._cumulated()),
            sum_value=self._seconds,
        )

    def _cumulated(self) -> Iterator[tuple[str, float]]:
        total = 0
        bounds = [*(str(bound) for bound in _BUCKETS), "+Inf"]
        for bound, count in zip(bounds, self._counts, strict=True):
            total += count
            yield bound, total
