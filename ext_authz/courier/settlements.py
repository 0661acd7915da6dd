"""Settlements that wait for their reservation, which may lie with another courier."""

from __future__ import annotations

import time
from collections import OrderedDict
from itertools import chain
from typing import TYPE_CHECKING

from prometheus_client import Counter

from ext_authz import keyspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis.asyncio import Redis

    from ext_authz.courier.reservation import Reservation
    from ext_authz.courier.settlement import Settlement

# A confirmation is used within the settle wait, 2 s; a minute covers a stalled reader.
_CONFIRMATION_TTL_SECONDS = 60.0
# What may wait for a Redis that is away: some 10 MB, and 20 seconds of a busy gateway.
_UNSAVED_MAX = 50_000

LOST = Counter(
    "tollkeeper_courier_settlements_lost_total", "Settlements dropped while Redis was away"
)


class Settlements:
    """Corrections go to Redis, for whichever courier carries the charge, and survive a kill.

    Confirmations, the great majority, stay here: losing one only means that the charge is carried a
    little later and marked unsettled.
    """

    def __init__(self, redis: Redis, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._monotonic = monotonic
        self._confirmed: OrderedDict[str, float] = OrderedDict()
        self._unsaved: list[Settlement] = []

    async def add(self, settlements: Iterable[Settlement]) -> None:
        """Remember them. Raises RedisError; then they wait for `save`."""
        self._unsaved += settlements
        # Of a Redis that stays away for long, the oldest calls are charged as estimated.
        if (excess := len(self._unsaved) - _UNSAVED_MAX) > 0:
            del self._unsaved[:excess]
            LOST.inc(excess)
        await self.save()

    async def save(self) -> None:
        """Write what could not be written before. Raises RedisError, and nothing is forgotten."""
        batch, self._unsaved = self._unsaved, []
        try:
            await self._write([settlement for settlement in batch if settlement.is_correction])
        except BaseException:
            self._unsaved = batch + self._unsaved
            raise
        now = self._monotonic()
        for settlement in batch:
            if settlement.charge_id:
                self._confirmed[settlement.charge_id] = now
        while self._confirmed and next(iter(self._confirmed.values())) < (
            now - _CONFIRMATION_TTL_SECONDS
        ):
            self._confirmed.popitem(last=False)

    async def _write(self, corrections: list[Settlement]) -> None:
        if not corrections:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for settlement in corrections:
            if settlement.charge_id:
                name, ttl = settlement.charge_id, keyspace.CORRECTION_TTL_SECONDS
            else:
                name, ttl = settlement.request_id, keyspace.NO_VERDICT_TTL_SECONDS
            pipeline.set(keyspace.correction(name), settlement.units, ex=ttl)
        await pipeline.execute()

    def is_settled(self, reservation: Reservation) -> bool:
        """Whether this courier saw the end of the call."""
        return reservation.charge_id in self._confirmed

    async def units_of(self, reservations: list[Reservation]) -> list[int | None]:
        """What each really used; None where no correction is known, so that the estimate holds."""
        # Named once: a settlement that comes while Redis answers would change what is asked for.
        names = [self._correction_keys(reservation) for reservation in reservations]
        pipeline = self._redis.pipeline(transaction=False)
        for name in chain.from_iterable(names):
            pipeline.get(name)
        replies = iter(await pipeline.execute())
        found = [[next(replies) for _ in keys] for keys in names]
        return [next((int(value) for value in of if value is not None), None) for of in found]

    async def forget(self, reservations: list[Reservation]) -> None:
        """Drop what is known of reservations that were carried: each settlement serves once."""
        pipeline = self._redis.pipeline(transaction=False)
        for reservation in reservations:
            for name in self._correction_keys(reservation):
                pipeline.delete(name)
            self._confirmed.pop(reservation.charge_id, None)
        await pipeline.execute()

    def _correction_keys(self, reservation: Reservation) -> list[str]:
        names = [keyspace.correction(reservation.charge_id)]
        # A call that got no verdict has no charge id in the log, only its request id. That may be
        # the client's choice, so it never touches a call whose end was seen.
        if reservation.request_id and not self.is_settled(reservation):
            names.append(keyspace.correction(reservation.request_id))
        return names
