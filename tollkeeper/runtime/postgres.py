"""Connections to PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import asyncpg

from tollkeeper.runtime.errors import OperatorError

_RETRY_SECONDS = 0.2
# PostgreSQL accepts connections but is still recovering or stopping, or nobody listens yet.
_NOT_YET = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    TimeoutError,
)


async def open_pool(
    url: str, *, application_name: str, wait_seconds: float, size_max: int = 10
) -> asyncpg.Pool:
    """A pool of connections to `url`, once PostgreSQL answers.

    Raises OperatorError after `wait_seconds`, or at once when the URL or the password is wrong.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return await _connected_pool(url, application_name, wait_seconds, size_max)
        except _NOT_YET as error:
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"PostgreSQL does not answer at {redacted(url)} ({error}): is it running? "
                    f"(waited {wait_seconds:g} s)"
                ) from error
        except (asyncpg.PostgresError, ValueError) as error:
            raise OperatorError(f"PostgreSQL at {redacted(url)} refuses: {error}") from error
        await asyncio.sleep(_RETRY_SECONDS)


async def _connected_pool(
    url: str, application_name: str, timeout_seconds: float, size_max: int
) -> asyncpg.Pool:
    pool = await asyncpg.create_pool(
        url,
        # None is kept for its own sake: the pool would log a traceback for each connection that it
        # cannot restore while PostgreSQL is away.
        min_size=0,
        max_size=size_max,
        timeout=timeout_seconds,
        server_settings={"application_name": application_name, "timezone": "UTC"},
    )
    try:
        async with pool.acquire(timeout=timeout_seconds) as connection:
            await connection.execute("SELECT 1")
    except BaseException:
        pool.terminate()
        raise
    return pool


def redacted(url: str) -> str:
    """The URL without user and password, fit for logs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
