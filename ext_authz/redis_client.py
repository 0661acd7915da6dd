"""Connections to Redis by redis-py, for what is not done for each check."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from ext_authz.redis.ending import end
from ext_authz.redis.sentinels import Sentinels
from ext_authz.redis.url import RedisUrl
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_RETRY_SECONDS = 0.2
_FOLLOW_SECONDS = 0.5
# Each carries one command at a time; at half a millisecond a round trip 64 are never the limit.
_CONNECTIONS_MAX = 64


@asynccontextmanager
async def open_redis(
    url: str, *, timeout_seconds: float, wait_seconds: float
) -> AsyncIterator[Redis]:
    """A client whose commands fail after `timeout_seconds` and are never sent twice.

    By Sentinel it follows the master. There is none for a Redis Cluster: what uses it reads all
    partitions with one command, which a Cluster does not allow.

    The block begins once Redis answers; raises OperatorError after `wait_seconds`, or at once when
    the URL or the password is wrong.
    """
    read = RedisUrl.parse(url)
    if read.form == "cluster":
        raise OperatorError(
            "TOLLKEEPER_REDIS_URL: the courier does not work with a Redis Cluster yet, only the "
            "gate does; use one Redis, or redis+sentinel://"
        )
    options = {
        **read.options,
        "max_connections": _CONNECTIONS_MAX,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": max(timeout_seconds, _RETRY_SECONDS),
        # The library's default repeats a command whose answer was lost: a second reservation.
        "retry": Retry(NoBackoff(), 0),
    }
    connect = _by_sentinel if read.form == "sentinel" else _directly
    async with connect(read, options) as client:
        await _wait(client, read, wait_seconds)
        yield client


@asynccontextmanager
async def _directly(url: RedisUrl, options: dict[str, Any]) -> AsyncIterator[Redis]:
    there = url.places[0].as_options()
    pool = BlockingConnectionPool(**options, **there, timeout=options["socket_timeout"])
    async with Redis.from_pool(pool) as client:
        yield client


@asynccontextmanager
async def _by_sentinel(url: RedisUrl, options: dict[str, Any]) -> AsyncIterator[Redis]:
    tls = url.options.get("connection_class") is SSLConnection
    kind = SentinelManagedSSLConnection if tls else SentinelManagedConnection
    async with Sentinels(url) as sentinels:
        pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
            url.service, sentinels.discovery, **{**options, "connection_class": kind}
        )
        async with Redis.from_pool(pool) as client:
            following = asyncio.create_task(_follow_the_master(pool))
            try:
                yield client
            finally:
                await end(following)


async def _follow_the_master(pool: SentinelConnectionPool) -> None:
    """Leave a master that was replaced and does not know it yet: for ten seconds it takes writes
    that will be lost.
    """
    known = None
    while True:
        with suppress(RedisError, OSError, TimeoutError):
            found = await pool.get_master_address()  # type: ignore[no-untyped-call]
            if known not in (None, found):
                await pool.disconnect()
            known = found
        await asyncio.sleep(_FOLLOW_SECONDS)


async def _wait(client: Redis, url: RedisUrl, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            await client.ping()
        except (AuthenticationError, NoPermissionError) as error:
            raise OperatorError(f"Redis at {url.where} refuses: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"Redis does not answer at {url.where} ({error}): is it running? "
                    f"(waited {seconds:g} s)"
                ) from error
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return
