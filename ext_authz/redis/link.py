"""A pipeline to one Redis, kept up: connected, greeted, and connected again when it breaks."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Self

import structlog
from redis.exceptions import RedisError

from ext_authz.redis.ending import end
from ext_authz.redis.greeting import Refused, greet
from ext_authz.redis.pipeline import NOBODY, Pipeline
from ext_authz.redis.resp import command
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from ext_authz.redis.pipeline import Asker
    from ext_authz.redis.place import Place
    from ext_authz.redis.url import RedisUrl

log = structlog.get_logger(__name__)

_BACKOFF_SECONDS_MIN = 0.02
# Every gate of an installation comes back at once; jitter spreads them over this.
_BACKOFF_SECONDS_MAX = 1.0
# Who lived this long was healthy: the next attempt comes soon. Who dies faster is not hammered.
_HEALTHY_SECONDS = 1.0
_CONNECT_SECONDS_MAX = 1.0
# Finds out that a silent connection is dead before a call does, and keeps firewalls from forgetting
# it; the pipeline gives it up a second later.
_HEARTBEAT_SECONDS = 0.5
_PING = command("PING")


def at(place: Place) -> Callable[[], Awaitable[Place]]:
    """For a server that is always there."""

    async def find() -> Place:
        return place

    return find


class Link:
    """The master that `find` finds, as long as it is one. See `Masters`."""

    def __init__(
        self,
        url: RedisUrl,
        find: Callable[[], Awaitable[Place]],
        *,
        timeout_seconds: float,
        scripts: list[str],
    ) -> None:
        self._url = url
        self._find = find
        self._timeout_seconds = timeout_seconds
        self._scripts = scripts
        self._pipeline: Pipeline | None = None
        self._place: Place | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._broken = asyncio.Event()
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeping: asyncio.Task[None] | None = None
        self.trouble = "not connected yet"

    @property
    def connected(self) -> bool:
        return self._pipeline is not None

    @property
    def places(self) -> frozenset[Place]:
        return frozenset() if self._place is None else frozenset((self._place,))

    def send(self, data: bytes, asker: Asker, partition: int = 0) -> None:  # noqa: ARG002 - all are here
        if self._pipeline is None:
            asker.unanswered("not connected")
        else:
            self._pipeline.send(data, asker)

    def on_change(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def client(self, place: Place) -> Redis:
        return self._url.client(place, socket_connect_timeout=_CONNECT_SECONDS_MAX)

    async def ready(self) -> None:
        await asyncio.shield(self._first)

    def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        if not self._first.done():
            # Who waits for all masters need not wait for this one any more.
            self._first.set_result(None)
        if self._keeping is not None:
            await end(self._keeping)
        if self._pipeline is not None:
            self._pipeline.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Keeping it up --------------------------------------------------------------------------------

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        delay = _BACKOFF_SECONDS_MIN
        while True:
            begun = loop.time()
            try:
                async with asyncio.timeout(_CONNECT_SECONDS_MAX):
                    place = await self._find()
                    pipeline = await self._connect(place)
            except Exception as error:  # noqa: BLE001 - one that ends here would never connect again
                self._failed(error)
            else:
                await self._use(pipeline, place)
            if loop.time() - begun > _CONNECT_SECONDS_MAX + _HEALTHY_SECONDS:
                delay = _BACKOFF_SECONDS_MIN
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(2 * delay, _BACKOFF_SECONDS_MAX)

    async def _use(self, pipeline: Pipeline, place: Place) -> None:
        """Until it breaks, or the master is elsewhere."""
        self._broken.clear()
        self._pipeline, self._place = pipeline, place
        if not self._first.done():
            self._first.set_result(None)
        self._changed()
        # It may have broken before it was ours, when nobody was told.
        while pipeline.is_open:
            pipeline.send(_PING, NOBODY)
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await self._broken.wait()
            except TimeoutError:
                await self._look_for_the_master(pipeline, place)
        self._pipeline = None
        self.trouble = "the connection broke"
        self._changed()

    async def _look_for_the_master(self, pipeline: Pipeline, place: Place) -> None:
        """One that was cut off from the others still believes to be it, and answers us."""
        try:
            async with asyncio.timeout(_HEARTBEAT_SECONDS):
                found = await self._find()
        except (OSError, TimeoutError, RedisError):
            # Nobody knows better.
            return
        if found != place:
            log.warning("the master of Redis has moved", was=str(place), now=str(found))
            pipeline.close()

    def _lost(self, pipeline: Pipeline) -> None:
        if pipeline is self._pipeline:
            self._pipeline = None
            self._broken.set()

    def _complained(self, pipeline: Pipeline, text: str) -> None:
        # It is a replica now. Redis 6.2 says so in the middle of a script's error.
        if "READONLY" in text and pipeline is self._pipeline:
            log.warning("Redis has become a replica; looking for the master")
            pipeline.close()

    def _failed(self, error: Exception) -> None:
        self.trouble = str(error) or type(error).__name__
        log.warning("Redis is not reached", error=self.trouble)
        if isinstance(error, Refused) and not self._first.done():
            self._first.set_exception(
                OperatorError(f"Redis at {self._url.where} refuses: {self.trouble}")
            )
            # Nobody may wait for it.
            self._first.exception()

    def _changed(self) -> None:
        for callback in self._callbacks:
            callback()

    async def _connect(self, place: Place) -> Pipeline:
        loop = asyncio.get_running_loop()

        def make() -> Pipeline:
            return Pipeline(self._timeout_seconds, self._lost, self._complained)

        if place.port:
            _, pipeline = await loop.create_connection(make, *place, ssl=self._url.tls)
        else:
            _, pipeline = await loop.create_unix_connection(make, place.host)
        try:
            await greet(pipeline, self._url.options, self._scripts)
        except BaseException:
            pipeline.close()
            raise
        return pipeline
