"""Runs, interleaved over the rounds, and what they add up to."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bench.h2load import read_waits, run_h2load
from bench.latency import Latency
from bench.plan import BUSY_IN_FLIGHT
from bench.reading import Reading
from bench.sample import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.plan import Plan
    from bench.rig import Rig
    from bench.sample import Sample
    from bench.target import Target

_WARM_UP_SECONDS = 0.3
_WARM_UP_IN_FLIGHT = 32


async def measure(
    rig: Rig,
    targets: Sequence[Target],
    levels: Sequence[int],
    plan: Plan,
    notice: Callable[[str], None],
) -> list[Row]:
    """A row for each level and target; `notice` hears what is about to run."""
    samples: dict[tuple[int, str], list[Sample]] = defaultdict(list)
    latencies: dict[tuple[int, str], list[Latency]] = defaultdict(list)
    for target in targets:
        notice(f"{target.title}: warming up")
        await run_h2load(target.arguments(_WARM_UP_IN_FLIGHT), _WARM_UP_SECONDS)
    for number in range(1, plan.rounds + 1):
        for level in levels:
            for target in targets:
                notice(f"round {number} of {plan.rounds}: {target.title}, {level} in flight")
                sample, latency = await _run(rig, target, level, plan.seconds)
                samples[level, target.name].append(sample)
                if latency:
                    latencies[level, target.name].append(latency)
    return [
        Row.of(
            target.name,
            target.title,
            level,
            samples[level, target.name],
            latencies[level, target.name],
        )
        for level in levels
        for target in targets
    ]


async def _run(
    rig: Rig, target: Target, level: int, seconds: float
) -> tuple[Sample, Latency | None]:
    rig.meter.tidy()
    # Writing each answer down costs the load generator about a microsecond.
    log = rig.folder / "waits.log" if level != BUSY_IN_FLIGHT else None
    before = Reading.now(rig, target)
    load = await run_h2load(target.arguments(level), seconds, log)
    sample = before.sample(Reading.now(rig, target), load)
    if log is None:
        return sample, None
    waits = read_waits(log.read_bytes())
    log.unlink()
    return sample, Latency.of(waits)
