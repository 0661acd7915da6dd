"""Metrics as several processes tell them, added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# No quantities: of these the highest stands for all.
_NOT_ADDED = {"python_info", "process_start_time_seconds", "process_max_fds"}
_ONLY_GROWING = {"counter", "histogram", "summary"}

_Labels = tuple[tuple[str, str], ...]


@dataclass
class _Family:
    name: str
    documentation: str
    kind: str
    samples: dict[tuple[str, _Labels], float] = field(default_factory=dict)


class Counts:
    """Families of samples, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    @classmethod
    def parse(cls, text: str) -> Counts:
        """From the text that Prometheus reads."""
        counts = cls()
        for metric in text_string_to_metric_families(text):
            family = counts._family(metric.name, metric.documentation, metric.type)
            for sample in metric.samples:
                family.samples[sample.name, tuple(sample.labels.items())] = sample.value
        return counts

    @classmethod
    def sum(cls, parts: Iterable[Counts]) -> Counts:
        total = cls()
        for part in parts:
            total.add(part)
        return total

    def add(self, other: Counts) -> None:
        """By name and labels."""
        for theirs in other._families.values():
            samples = self._family(theirs.name, theirs.documentation, theirs.kind).samples
            for key, value in theirs.samples.items():
                present = samples.get(key, 0.0)
                adds = theirs.name not in _NOT_ADDED
                samples[key] = present + value if adds else max(present, value)

    def only_growing(self) -> Counts:
        """Without gauges: what is still true of a process that has ended."""
        growing = Counts()
        growing._families = {
            name: family for name, family in self._families.items() if family.kind in _ONLY_GROWING
        }
        return growing

    def collect(self) -> Iterator[Metric]:
        for family in self._families.values():
            metric = Metric(family.name, family.documentation, family.kind)
            for (name, labels), value in family.samples.items():
                metric.add_sample(name, dict(labels), value)
            yield metric

    def _family(self, name: str, documentation: str, kind: str) -> _Family:
        return self._families.setdefault(name, _Family(name, documentation, kind))
