"""Connections to Redis."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_RETRY_SECONDS = 0.2
# Each carries one command at a time; at half a millisecond a round trip 64 are never the limit.
_CONNECTIONS_MAX = 64


@asynccontextmanager
async def open_redis(
    url: str, *, timeout_seconds: float, wait_seconds: float
) -> AsyncIterator[Redis]:
    """A client whose commands fail after `timeout_seconds` and are never sent twice.

    The block begins once Redis answers; raises OperatorError after `wait_seconds`, or at once when
    the URL or the password is wrong.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS_MAX,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=max(timeout_seconds, _RETRY_SECONDS),
            # The library's default repeats a command whose answer was lost: a second reservation.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise OperatorError(f"TOLLKEEPER_REDIS_URL: {error}") from error
    async with Redis.from_pool(pool) as client:
        await _wait(client, url, wait_seconds)
        yield client


async def _wait(client: Redis, url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            await client.ping()
        except AuthenticationError as error:
            raise OperatorError(f"Redis at {_where(url)} refuses: {error}") from error
        except (RedisError, OSError, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"Redis does not answer at {_where(url)} ({error}): is it running? "
                    f"(waited {seconds:g} s)"
                ) from error
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


def _where(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url
