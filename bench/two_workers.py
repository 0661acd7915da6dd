"""Whether a second worker is worth its core."""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

from bench.h2load import run_h2load
from bench.plan import BUSY_IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.plan import Plan
    from bench.target import Target

# Two workers, Redis and the load: with fewer, the ratio says how they share cores.
CORES_MIN = 4


async def two_workers_over_one(
    workers: Sequence[Target], plan: Plan, notice: Callable[[str], None]
) -> float:
    """How many times the throughput of one both have together; the load is the same per worker."""
    one, two = [], []
    for number in range(1, plan.rounds + 1):
        notice(f"round {number} of {plan.rounds}: one worker, then two")
        one.append(await _per_second(workers[:1], plan.seconds))
        two.append(await _per_second(workers, plan.seconds))
    return statistics.median(two) / statistics.median(one)


async def _per_second(workers: Sequence[Target], seconds: float) -> float:
    loads = await asyncio.gather(
        *(run_h2load(worker.arguments(BUSY_IN_FLIGHT), seconds) for worker in workers)
    )
    return sum(load.succeeded / load.seconds for load in loads)
