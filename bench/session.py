"""A run from start to end: what is measured, in which order, on which cores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench.cores import keep_apart, our_cores, set_free, share_out
from bench.figures import Measured, find_row
from bench.measuring import measure
from bench.memory import measure_memory
from bench.parse_cost import parse_us
from bench.plan import BUSY_IN_FLIGHT, MEMORY_CHECKS_TO
from bench.process_meter import age_seconds
from bench.rig import KEY, running_rig
from bench.subject import SHIPPED, SUBJECTS
from bench.two_workers import CORES_MIN, two_workers_over_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.memory import Memory
    from bench.plan import Plan
    from bench.rig import Rig
    from bench.sample import Row
    from bench.subject import Subject
    from bench.target import Target

_SECOND_WORKER = replace(SHIPPED, name=f"{SHIPPED.name}_second")


async def run_session(plan: Plan, notice: Callable[[str], None]) -> Measured:
    """`notice` hears what is going on. Raises OperatorError when something is missing or fails."""
    subjects = subjects_of(plan)
    if len(our_cores()) >= CORES_MIN:
        subjects.append(_SECOND_WORKER)
    notice("starting Redis, the servers and Envoy")
    async with running_rig(subjects) as rig:
        return await _Session(plan, rig, notice).run()


def subjects_of(plan: Plan) -> list[Subject]:
    return [each for each in SUBJECTS if plan.all_subjects or not each.long_run_only]


@dataclass
class _Session:
    plan: Plan
    rig: Rig
    notice: Callable[[str], None]
    cores: list[int] = field(default_factory=our_cores)
    reasons: dict[str, str] = field(default_factory=dict)

    async def run(self) -> Measured:
        cost = parse_us(KEY)
        direct = await self._direct()
        two = await self._two_workers()
        through_envoy = await self._through_envoy()
        memory = await self._memory(direct)
        return Measured(
            shipped=SHIPPED.name,
            cores=share_out(self.cores),
            direct=direct,
            through_envoy=through_envoy,
            parse_us=cost,
            memory=memory,
            two_workers_over_one=two,
            reasons=self.reasons,
        )

    async def _direct(self) -> list[Row]:
        self._keep_apart()
        return await measure(
            self.rig,
            [target for target in self.rig.direct if target.name != _SECOND_WORKER.name],
            self.plan.direct_in_flight,
            self.plan,
            self.notice,
        )

    async def _two_workers(self) -> float | None:
        workers = [_find(self.rig.direct, each.name) for each in (SHIPPED, _SECOND_WORKER)]
        found = [worker for worker in workers if worker and worker.server]
        if len(found) < len(workers):
            self.reasons["two_workers_over_one"] = (
                f"needs {CORES_MIN} cores: two workers', Redis', the load's"
            )
            return None
        keep_apart(
            share_out(self.cores, workers=2),
            [worker.server for worker in found if worker.server],
            self.rig.redis_process,
        )
        return await two_workers_over_one(found, self.plan, self.notice)

    async def _through_envoy(self) -> list[Row]:
        # Three processes and the load on what may be two cores: any division would be arbitrary.
        set_free(self.cores, self.rig.processes)
        return await measure(
            self.rig,
            [target for target in self.rig.through_envoy if target.name != _SECOND_WORKER.name],
            self.plan.envoy_connections,
            self.plan,
            self.notice,
        )

    async def _memory(self, direct: list[Row]) -> Memory | None:
        seconds_left = self.plan.memory_by_seconds - age_seconds()
        busy = find_row(direct, SHIPPED.name, BUSY_IN_FLIGHT)
        target = _find(self.rig.direct, SHIPPED.name)
        if busy is None or target is None or target.server is None or not busy.median.per_second:
            return None
        expected = MEMORY_CHECKS_TO / busy.median.per_second
        if expected > seconds_left:
            self.reasons["memory_growth_mb"] = (
                f"{MEMORY_CHECKS_TO:,} checks would take {expected:.0f} s, "
                f"and {seconds_left:.0f} s are left"
            )
            return None
        self._keep_apart()
        try:
            return await measure_memory(self.rig, target, target.server, seconds_left, self.notice)
        except TimeoutError:
            self.reasons["memory_growth_mb"] = f"took longer than {seconds_left:.0f} s"
            return None

    def _keep_apart(self) -> None:
        servers = [target.server for target in self.rig.direct if target.server]
        keep_apart(share_out(self.cores), servers, self.rig.redis_process)


def _find(targets: list[Target], name: str) -> Target | None:
    return next((target for target in targets if target.name == name), None)
