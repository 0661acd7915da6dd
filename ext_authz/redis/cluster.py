"""A Redis Cluster: one link per master, every command to the one that holds its partition."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Self

import structlog
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from ext_authz.redis.ending import end
from ext_authz.redis.link import Link, at
from ext_authz.redis.pipeline import NOBODY
from ext_authz.redis.place import Place
from ext_authz.redis.question import Question
from ext_authz.redis.resp import command
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from ext_authz.redis.pipeline import Asker
    from ext_authz.redis.redirect import Redirect
    from ext_authz.redis.url import RedisUrl

log = structlog.get_logger(__name__)

# How long a change of masters may go unnoticed while no call meets it.
_CALM_SECONDS = 1.0
# While something is wrong; a failover takes seconds.
_TROUBLE_SECONDS = 0.2
_ANSWER_SECONDS_MAX = 0.5
# A node that slots are moved to holds none at first, so that no table names it.
_KEEP_SECONDS = 5.0
_ASKING = command("ASKING")


class Cluster:
    """See `Masters`."""

    def __init__(self, url: RedisUrl, *, timeout_seconds: float, scripts: list[str]) -> None:
        self._url = url
        self._scripts = scripts
        self._loop = asyncio.get_running_loop()
        self._links: dict[Place, Link] = {}
        self._sent_on_at: dict[Place, float] = {}
        self._slots: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._by_partition: dict[int, Link] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._look = asyncio.Event()
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._keeping: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._trouble = "not connected yet"
        self.timeout_seconds = timeout_seconds
        self.now = self._loop.time

    @property
    def trouble(self) -> str:
        lost = (link for link in self._links.values() if not link.connected)
        return next((link.trouble for link in lost), self._trouble)

    @property
    def connected(self) -> bool:
        # Tenants of the other masters are better served than nobody.
        return any(link.connected for link in self._links.values())

    @property
    def places(self) -> frozenset[Place]:
        return frozenset(self._links)

    def send(self, data: bytes, asker: Asker, partition: int) -> None:
        link = self._by_partition.get(partition) or self._link_of(partition)
        if link is None:
            asker.unanswered("no master is known for the slot")
        else:
            link.send(data, Question(self, link, data, asker))

    def follow(self, redirect: Redirect, speaker: Link, data: bytes, asker: Asker) -> None:
        """Send a command on. A node that we have no link to yet answers the next one."""
        spoke_at = next(iter(speaker.places), self._url.places[0])
        place = redirect.place(spoke_at)
        self._sent_on_at[place] = self.now()
        link = self._links.get(place) or self._open(place)
        if redirect.asking:
            link.send(_ASKING, NOBODY)
        else:
            self._slots[redirect.slot] = place
            self._by_partition.clear()
            self._look.set()
        link.send(data, asker)

    def on_change(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def client(self, place: Place) -> Redis:
        return self._url.client(place, socket_connect_timeout=_ANSWER_SECONDS_MAX)

    async def ready(self) -> None:
        await asyncio.shield(self._first)
        await asyncio.gather(*(link.ready() for link in self._links.values()))

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._first.cancel()
        if self._keeping is not None:
            await end(self._keeping)
        for place in list(self._links):
            self._close(place)
        await asyncio.gather(*self._closing)

    # Who holds what -------------------------------------------------------------------------------

    def _link_of(self, partition: int) -> Link | None:
        # The hash tag of all the partition's keys: see `keyspace`.
        place = self._slots[key_slot(b"p%d" % partition)]
        if place is None:
            return None
        link = self._by_partition[partition] = self._links.get(place) or self._open(place)
        return link

    async def _keep(self) -> None:
        """Know the masters: always looking, at once when a call is sent on or a link breaks."""
        while True:
            self._look.clear()
            try:
                self._adopt(await self._table())
            except Exception as error:  # noqa: BLE001 - one that ends here would never look again
                self._failed(error)
            await asyncio.sleep(_TROUBLE_SECONDS)
            if self._links and all(link.connected for link in self._links.values()):
                try:
                    async with asyncio.timeout(_CALM_SECONDS):
                        await self._look.wait()
                except TimeoutError:
                    continue

    async def _table(self) -> dict[tuple[int, int], Place]:
        """Ranges of slots and their masters, from the first node that answers."""
        known = list(self._links)
        # Another one each time: one that is cut off from the rest tells old tales.
        random.shuffle(known)
        error: Exception = ConnectionError("no node of the Cluster is known")
        for place in [*known, *self._url.places]:
            try:
                return await self._ask(place)
            except (OSError, TimeoutError, RedisError) as caught:
                error = caught
        raise error

    async def _ask(self, place: Place) -> dict[tuple[int, int], Place]:
        async with (
            asyncio.timeout(_ANSWER_SECONDS_MAX),
            self.client(place) as client,
        ):
            answer: Any = await client.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
        if not answer:
            raise ConnectionError(f"{place} belongs to no Cluster yet")
        return {
            (first, last): Place(_host(host, place), port)
            for first, last, (host, port, *_), *_ in answer
        }

    def _adopt(self, table: dict[tuple[int, int], Place]) -> None:
        slots: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for (first, last), place in table.items():
            slots[first : last + 1] = [place] * (last + 1 - first)
        self._slots = slots
        self._by_partition.clear()
        masters = set(table.values())
        for place in masters - self._links.keys():
            self._open(place)
        for place in self._links.keys() - masters:
            if self.now() - self._sent_on_at.get(place, 0) > _KEEP_SECONDS:
                self._close(place)
        if not self._first.done():
            self._first.set_result(None)

    def _failed(self, error: Exception) -> None:
        self._trouble = str(error) or type(error).__name__
        log.warning("no node of the Cluster answers", error=self._trouble)
        refused = isinstance(error, (AuthenticationError, NoPermissionError, ResponseError))
        if refused and not self._first.done():
            self._first.set_exception(
                OperatorError(f"Redis at {self._url.where} refuses: {self._trouble}")
            )
            # Nobody may wait for it.
            self._first.exception()

    def _open(self, place: Place) -> Link:
        link = self._links[place] = Link(
            self._url, at(place), timeout_seconds=self.timeout_seconds, scripts=self._scripts
        )
        link.on_change(self._changed)
        link.start()
        self._changed()
        return link

    def _close(self, place: Place) -> None:
        link = self._links.pop(place)
        self._sent_on_at.pop(place, None)
        closing = asyncio.create_task(link.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._by_partition.clear()
        self._changed()

    def _changed(self) -> None:
        self._look.set()
        for callback in self._callbacks:
            callback()


def _host(named: bytes | None, speaker: Place) -> str:
    """A node that does not know its own address means the one by which we reached it."""
    host = (named or b"").decode()
    return speaker.host if host in ("", "?") else host
