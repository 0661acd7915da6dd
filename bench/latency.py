"""How long callers waited, by rank."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Latency:
    """Microseconds."""

    p50: float
    p99: float
    p99_9: float

    @classmethod
    def of(cls, micros: Sequence[int]) -> Self:
        """Raises ValueError when nobody waited."""
        ordered = sorted(micros)
        return cls(*(percentile(ordered, rank) for rank in (50, 99, 99.9)))

    @classmethod
    def median(cls, rounds: Sequence[Latency]) -> Self:
        return cls(
            statistics.median(each.p50 for each in rounds),
            statistics.median(each.p99 for each in rounds),
            statistics.median(each.p99_9 for each in rounds),
        )


def percentile(ordered: Sequence[int], rank: float) -> int:
    """The smallest value that at least `rank` per cent do not exceed: one that was really seen."""
    if not ordered:
        raise ValueError("no percentile of nothing")
    # In thousandths, because 99.9 / 100 * 1000 is a little more than 999.
    position = -(-round(rank * 1000) * len(ordered) // 100_000)
    return ordered[max(1, position) - 1]
