"""All meters at one moment; what lies between two readings is what a run cost."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil

from bench.process_meter import cpu_seconds, machine_busy_seconds
from bench.sample import Sample

if TYPE_CHECKING:
    from bench.h2load import Load
    from bench.redis_meter import RedisReading
    from bench.rig import Rig
    from bench.target import Target


@dataclass(frozen=True)
class Reading:
    at: float
    machine_seconds: float
    # What is measured and what measures it.
    bench_seconds: float
    server_seconds: float | None
    envoy_seconds: float | None
    redis: RedisReading | None

    @classmethod
    def now(cls, rig: Rig, target: Target) -> Self:
        return cls(
            at=time.monotonic(),
            machine_seconds=machine_busy_seconds(),
            bench_seconds=_ourselves() + sum(map(cpu_seconds, rig.processes)),
            server_seconds=cpu_seconds(target.server) if target.server else None,
            envoy_seconds=cpu_seconds(target.envoy) if target.envoy else None,
            redis=rig.meter.read() if target.asks_redis else None,
        )

    def sample(self, after: Reading, load: Load) -> Sample:
        """What `load` cost, from this reading to the one after it."""
        passed = load.succeeded
        redis_us = script_us = None
        if self.redis and after.redis:
            # The gate's refusals are answers like any other; only Redis knows what was admitted.
            passed = min(passed, after.redis.admitted - self.redis.admitted)
            redis_us = _each(self.redis.cpu_seconds, after.redis.cpu_seconds, load)
            script_us = _each(self.redis.script_seconds, after.redis.script_seconds, load)
        machine = (after.at - self.at) * (os.cpu_count() or 1)
        used = after.machine_seconds - self.machine_seconds
        ours = after.bench_seconds - self.bench_seconds
        return Sample(
            per_second=passed / load.seconds,
            failed_share=1 - passed / load.answered,
            server_us=_each(self.server_seconds, after.server_seconds, load),
            redis_us=redis_us,
            redis_script_us=script_us,
            envoy_us=_each(self.envoy_seconds, after.envoy_seconds, load),
            others_share=max(0.0, used - ours) / machine,
        )


def _each(before: float | None, after: float | None, load: Load) -> float | None:
    """Microseconds per answer."""
    if before is None or after is None:
        return None
    return (after - before) * 1e6 / load.answered


def _ourselves() -> float:
    times = psutil.Process().cpu_times()
    # The load generator counts among our children once it has ended.
    return float(times.user + times.system + times.children_user + times.children_system)
