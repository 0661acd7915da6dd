"""Listens to what changes in Redis, and says how far the record cache may be relied on."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from ext_authz import keyspace
from ext_authz.redis.ending import end

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

    from ext_authz.record_cache import RecordCache
    from ext_authz.redis.masters import Masters
    from ext_authz.redis.place import Place

log = structlog.get_logger(__name__)

# A revoked key must stop within a second, even if the connection dies silently at the worst moment:
# what is kept is relied on for this long after the last sign that nothing was missed.
_TRUST_SECONDS = 0.8
_PING_SECONDS = 0.2
_RETRY_SECONDS = 0.1


class ChangeListener:
    """Listens at every master: only there does a change come before the answer to a later ping."""

    def __init__(self, masters: Masters, cache: RecordCache) -> None:
        self._masters = masters
        self._cache = cache
        self._again = asyncio.Event()
        # When the ping was sent that each of them answered last.
        self._heard: dict[Place, float] = {}
        # Said once, not ten times a second.
        self._warned = False
        masters.on_change(self._masters_changed)

    async def run(self) -> None:
        """Listen for ever; while one master is not heard, nothing is kept."""
        while True:
            self._again.clear()
            await self._until_one_is_lost(self._masters.places)
            self._heard.clear()
            self._cache.forget_all()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _until_one_is_lost(self, places: frozenset[Place]) -> None:
        self._heard = dict.fromkeys(places, -math.inf)
        tasks = {asyncio.create_task(self._listen_at(place)) for place in places}
        tasks.add(asyncio.create_task(self._until_again()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*tasks)

    async def _until_again(self) -> None:
        await self._again.wait()

    async def _listen_at(self, place: Place) -> None:
        """Return when the connection is lost."""
        try:
            async with self._masters.client(place) as redis, redis.pubsub() as pubsub:
                await pubsub.subscribe(keyspace.CHANGES)
                await self._listen(place, pubsub)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._warned:
                self._warned = True
                log.warning(
                    "changes are not heard; records are not kept", at=str(place), error=str(error)
                )

    async def _listen(self, place: Place, pubsub: PubSub) -> None:
        """Raises what ends the connection."""
        loop = asyncio.get_running_loop()
        heard = ping_at = loop.time()
        while True:
            now = loop.time()
            if now - heard > _TRUST_SECONDS + _PING_SECONDS:
                raise TimeoutError("no answer to a ping")
            if now >= ping_at:
                ping_at = now + _PING_SECONDS
                await pubsub.ping(repr(now))
            message = await pubsub.get_message(timeout=max(ping_at - now, 0.01))
            if message is None:
                continue
            if message["type"] == "message":
                self._cache.forget(message["data"].decode())
            elif message["type"] == "subscribe":
                # What was read before may have changed before anybody listened.
                self._cache.forget_all()
            elif message["type"] == "pong":
                # All that was published before the ping stood before its answer.
                heard = float(message["data"])
                self._answered(place, heard)

    def _answered(self, place: Place, pinged_at: float) -> None:
        # After a change of masters this one may no longer be whom the others ask.
        if not self._again.is_set():
            self._warned = False
            self._heard[place] = pinged_at
            self._cache.trust_until(min(self._heard.values()) + _TRUST_SECONDS)

    def _masters_changed(self) -> None:
        self._again.set()
        self._cache.forget_all()
