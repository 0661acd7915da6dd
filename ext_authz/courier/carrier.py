"""Carries reservations to the ledger: at least once on the way, exactly once in effect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
import structlog
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from tollkeeper.api.ledger.v1.usage_pb2 import RecordOutcome, RecordUsageRequest
from tollkeeper.runtime.lifecycle import backoff_sleep

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ext_authz.courier.charge_streams import ChargeStreams
    from ext_authz.courier.reservation import Reservation
    from ext_authz.courier.settings import CourierSettings
    from ext_authz.courier.settlements import Settlements
    from tollkeeper.api.ledger.v1.usage_pb2_grpc import UsageServiceAsyncStub

log = structlog.get_logger(__name__)

CARRIED = Counter(
    "tollkeeper_courier_carried_total", "Reservations carried, by the ledger's outcome", ["outcome"]
)
UNSETTLED = Counter(
    "tollkeeper_courier_unsettled_total", "Reservations charged as estimated: no access log entry"
)
BACKLOG = Gauge("tollkeeper_courier_backlog", "Reservations that the ledger does not have yet")

# Measured for the ledger: past 1,000 events a batch gains little and a retry costs more.
_BATCH_SIZE = 1_000
# What a courier holds in memory at the most; the rest waits in Redis.
_HELD_MAX = 20_000
_READ_COUNT = 500
# Short enough that a settled reservation is carried at once, long enough to be idle when idle.
_BLOCK_MILLISECONDS = 50
_RECORD_TIMEOUT_SECONDS = 10.0
_BACKOFF_SECONDS = 0.5
_TAKE_OVER_SECONDS = 1.0

_DONE = frozenset(
    {
        RecordOutcome.RECORD_OUTCOME_RECORDED,
        RecordOutcome.RECORD_OUTCOME_EXISTS,
        # Carried before by a courier that knew more, or less, of the call's end. The first stands.
        RecordOutcome.RECORD_OUTCOME_EXISTS_DIFFERENT,
    }
)


class Carrier:
    """Reads the charge streams, waits a little for the end of each call, records, acknowledges."""

    def __init__(
        self,
        streams: ChargeStreams,
        settlements: Settlements,
        ledger: UsageServiceAsyncStub,
        settings: CourierSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._streams = streams
        self._settlements = settlements
        self._ledger = ledger
        self._settings = settings
        self._monotonic = monotonic
        self._held: dict[str, tuple[Reservation, float]] = {}
        self._take_over_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until `stop`, through every outage of Redis and of the ledger."""
        while not stop.is_set():
            try:
                await self.run_once()
            except (RedisError, OSError, grpc.aio.AioRpcError) as error:
                log.warning("cannot carry charges", error=_brief(error), held=len(self._held))
                await backoff_sleep(stop, _BACKOFF_SECONDS)

    async def run_once(self) -> int:
        """One round; returns how many reservations reached the ledger.

        Raises RedisError or AioRpcError; what was read is kept and tried again.
        """
        await self._settlements.save()
        await self._read()
        BACKLOG.set(await self._streams.backlog())
        carried = 0
        while batch := self._due()[:_BATCH_SIZE]:
            await self._record(batch)
            carried += len(batch)
        return carried

    async def _read(self) -> None:
        now = self._monotonic()
        if len(self._held) < _HELD_MAX:
            for reservation in await self._streams.read(_READ_COUNT, _BLOCK_MILLISECONDS):
                due_at = now + self._settings.settle_wait_seconds
                self._held[reservation.charge_id] = (reservation, due_at)
        if now >= self._take_over_at:
            self._take_over_at = now + _TAKE_OVER_SECONDS
            idle_seconds = self._settings.claim_idle_seconds
            for reservation in await self._streams.take_over(idle_seconds, _READ_COUNT):
                # Whoever had it waited long enough.
                self._held.setdefault(reservation.charge_id, (reservation, now))

    def _due(self) -> list[Reservation]:
        now = self._monotonic()
        return [
            reservation
            for reservation, due_at in self._held.values()
            if due_at <= now or self._settlements.is_settled(reservation)
        ]

    async def _record(self, batch: list[Reservation]) -> None:
        # Asked first: a correction that comes just now is too late, and must not look like a
        # confirmation.
        settled = [self._settlements.is_settled(reservation) for reservation in batch]
        corrected = await self._settlements.units_of(batch)
        events = []
        for reservation, is_settled, units in zip(batch, settled, corrected, strict=True):
            unsettled = units is None and not is_settled
            if unsettled:
                UNSETTLED.inc()
            events.append(
                reservation.usage_event(
                    reservation.units if units is None else units, unsettled=unsettled
                )
            )
        response = await self._ledger.RecordUsage(
            RecordUsageRequest(events=events), timeout=_RECORD_TIMEOUT_SECONDS
        )
        for reservation, outcome in zip(batch, response.outcomes, strict=True):
            name = RecordOutcome.Name(outcome).removeprefix("RECORD_OUTCOME_").lower()
            CARRIED.labels(name).inc()
            if outcome not in _DONE:
                log.error("the ledger refuses a charge", charge=reservation.charge_id, why=name)
                await self._streams.bury(reservation, name)
        await self._streams.acknowledge(batch)
        await self._settlements.forget(batch)
        for reservation in batch:
            del self._held[reservation.charge_id]


def _brief(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"ledger: {error.code().name}: {error.details()}"
    return f"Redis: {error}"
