"""All workers together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ext_authz.workers.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client import Metric

    from ext_authz.workers.worker import Worker

log = structlog.get_logger(__name__)


class Crew:
    def __init__(self, workers: Sequence[Worker], notice_seconds: float) -> None:
        """Callers need `notice_seconds` to see that a worker leaves, or is back."""
        self._workers = workers
        self._notice_seconds = notice_seconds
        self._keeping: list[asyncio.Task[None]] = []
        # Why the crew as a whole is not ready.
        self._reasons = {"process": "starting"}

    async def start(self) -> None:
        """Return once all are ready, and keep them up from then on.

        Raises OperatorError when one cannot start; `stop` is wanted after that, too.
        """
        async with asyncio.TaskGroup() as starting:
            for worker in self._workers:
                starting.create_task(worker.start())
        self._keeping = [asyncio.create_task(worker.keep()) for worker in self._workers]
        self._reasons.clear()

    async def renew(self) -> None:
        """Replace one process after the other, so that all others serve meanwhile."""
        for worker in self._workers:
            if worker is not self._workers[0]:
                await asyncio.sleep(self._notice_seconds)
            if not await worker.renew():
                # Whatever ails it, settings or certificates, would ail the others.
                log.error(
                    "a renewed worker is not ready; the others stay as they are",
                    worker=worker.number,
                )
                return
        log.info("all workers are renewed")

    async def stop(self) -> None:
        """Drain all at once."""
        self._reasons["process"] = "stopping"
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def unreadiness(self) -> dict[str, str]:
        """Why the crew is not ready, by part; empty when it is."""
        reasons = await asyncio.gather(*(worker.unreadiness() for worker in self._workers))
        found = {
            f"worker {worker.number}": reason
            for worker, reason in zip(self._workers, reasons, strict=True)
            if reason
        }
        return self._reasons | found

    async def metrics(self) -> list[Metric]:
        """The sums over all workers, and how many there are."""
        counts = await asyncio.gather(*(worker.counts() for worker in self._workers))
        reasons = await asyncio.gather(*(worker.unreadiness() for worker in self._workers))
        up = sum(reason is None for reason in reasons)
        return [*Counts.sum(counts).collect(), *self._own_metrics(up)]

    def _own_metrics(self, up: int) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "tollkeeper_workers", "Worker processes that there should be", len(self._workers)
        )
        yield GaugeMetricFamily("tollkeeper_workers_up", "Worker processes that are ready", up)
        restarts = CounterMetricFamily(
            "tollkeeper_workers_restarts",
            "How often a worker died and was started again",
            labels=["worker"],
        )
        for worker in self._workers:
            restarts.add_metric([str(worker.number)], worker.restarts)
        yield restarts
