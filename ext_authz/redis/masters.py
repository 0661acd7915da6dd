"""The servers that hold keys: one, or a Cluster's masters."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import structlog

from ext_authz.redis.cluster import Cluster
from ext_authz.redis.link import Link, at
from ext_authz.redis.sentinels import Sentinels
from ext_authz.redis.url import RedisUrl
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis.asyncio import Redis

    from ext_authz.redis.pipeline import Asker
    from ext_authz.redis.place import Place

log = structlog.get_logger(__name__)


class Masters(Protocol):
    """Commands go to them at any time; without a connection the asker is told so at once."""

    @property
    def trouble(self) -> str:
        """Why there was no connection when one was last tried; for people."""

    @property
    def connected(self) -> bool: ...

    @property
    def places(self) -> frozenset[Place]:
        """Where the masters are that are asked at present."""

    def send(self, data: bytes, asker: Asker, partition: int) -> None:
        """Send one command, all of whose keys are of this partition."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Be told whenever a connection came or went: another server may stand behind it."""

    def client(self, place: Place) -> Redis:
        """A client of redis-py, for what is not done for each check."""

    async def ready(self) -> None:
        """Return once all are connected. Raises OperatorError when one refuses us."""


@asynccontextmanager
async def open_masters(
    url: str, *, timeout_seconds: float, wait_seconds: float, scripts: list[str]
) -> AsyncIterator[Masters]:
    """Every command is answered within `timeout_seconds` or never, and `scripts` are loaded.

    The block begins once Redis answers; raises OperatorError after `wait_seconds`, or at once when
    the URL or the password is wrong.
    """
    read = RedisUrl.parse(url)
    async with _open(read, timeout_seconds, scripts) as masters:
        try:
            async with asyncio.timeout(wait_seconds):
                await masters.ready()
        except TimeoutError:
            if not masters.connected:
                raise OperatorError(
                    f"Redis does not answer at {read.where} ({masters.trouble}): is it running? "
                    f"(waited {wait_seconds:g} s)"
                ) from None
            log.warning("some masters of the Cluster are not reached", error=masters.trouble)
        yield masters


@asynccontextmanager
async def _open(
    url: RedisUrl, timeout_seconds: float, scripts: list[str]
) -> AsyncIterator[Masters]:
    if url.form == "cluster":
        async with Cluster(url, timeout_seconds=timeout_seconds, scripts=scripts) as cluster:
            yield cluster
    elif url.form == "sentinel":
        async with (
            Sentinels(url) as sentinels,
            Link(url, sentinels.master, timeout_seconds=timeout_seconds, scripts=scripts) as link,
        ):
            yield link
    else:
        find = at(url.places[0])
        async with Link(url, find, timeout_seconds=timeout_seconds, scripts=scripts) as link:
            yield link
