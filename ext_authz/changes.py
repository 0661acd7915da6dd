"""Listens to what changes in Redis, and says how far the record cache may be relied on."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from ext_authz import keyspace

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from ext_authz.record_cache import RecordCache

log = structlog.get_logger(__name__)

# A revoked key must stop within a second, even if the connection dies silently at the worst moment:
# what is kept is relied on for this long after the last sign that nothing was missed.
_TRUST_SECONDS = 0.8
_PING_SECONDS = 0.2
_RETRY_SECONDS = 0.1


class ChangeListener:
    def __init__(self, redis: Redis, cache: RecordCache) -> None:
        self._redis = redis
        self._cache = cache

    async def run(self) -> None:
        """Listen for ever; while there is no connection, nothing is kept."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(keyspace.CHANGES)
                    await self._listen(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("changes are not heard; records are not kept", error=str(error))
            self._cache.forget_all()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, pubsub: PubSub) -> None:
        """Raises what ends the connection."""
        loop = asyncio.get_running_loop()
        pings: deque[float] = deque()
        ping_at = loop.time()
        while True:
            now = loop.time()
            if now >= ping_at:
                ping_at = now + _PING_SECONDS
                pings.append(now)
                await pubsub.ping()
            if pings and now - pings[0] > _TRUST_SECONDS:
                raise TimeoutError("no answer to a ping")
            message = await pubsub.get_message(timeout=max(ping_at - now, 0.01))
            if message is None:
                continue
            if message["type"] == "message":
                self._cache.forget(message["data"].decode())
            elif message["type"] == "pong":
                # All that was published before the ping stood before its answer.
                self._cache.trust_until(pings.popleft() + _TRUST_SECONDS)
