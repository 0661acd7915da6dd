"""Services running in the test's own loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_START_SECONDS_MAX = 20.0
_POLL_SECONDS = 0.02


@asynccontextmanager
async def running(
    serve: Callable[[asyncio.Event], Awaitable[None]], metrics_address: str
) -> AsyncIterator[None]:
    """Run `serve(stop)` while the block does; it is ready when the block begins."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(serve(stop))
    try:
        await asyncio.wait_for(_ready(task, metrics_address), _START_SECONDS_MAX)
        yield
    finally:
        stop.set()
        await task


async def readiness(metrics_address: str) -> tuple[int, dict[str, str]]:
    """The status of `/readyz` and the reasons it gives."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{metrics_address}/readyz") as response,
    ):
        return response.status, (await response.json())["reasons"]


async def until_async(condition: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Return once `condition` holds; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(_POLL_SECONDS)


async def _ready(task: asyncio.Future[None], metrics_address: str) -> None:
    while not task.done():
        try:
            if (await readiness(metrics_address))[0] == 200:
                return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(_POLL_SECONDS)
    await task
