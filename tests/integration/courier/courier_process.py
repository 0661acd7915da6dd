"""A courier in the test's own loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import aiohttp

from ext_authz.courier.process import serve
from tests.support import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ext_authz.courier.settings import CourierSettings


@asynccontextmanager
async def running_courier(*settings: CourierSettings) -> AsyncIterator[None]:
    """One courier for each, ready when the block begins, stopped when it ends."""
    first, *others = settings
    async with running.running(partial(serve, first), first.courier_metrics_listen):
        if not others:
            yield
            return
        async with running_courier(*others):
            yield


@dataclass
class StartedCourier:
    """Not ready yet, and perhaps never."""

    settings: CourierSettings
    task: asyncio.Task[None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def reasons(self) -> dict[str, str] | None:
        """Why it is not ready; empty when it is; None when nothing answers."""
        try:
            return (await running.readiness(self.settings.courier_metrics_listen))[1]
        except aiohttp.ClientConnectionError:
            return None

    async def is_ready(self) -> bool:
        return await self.reasons() == {}

    async def is_not_ready(self) -> bool:
        return bool(await self.reasons())


@asynccontextmanager
async def started_courier(settings: CourierSettings) -> AsyncIterator[StartedCourier]:
    stop = asyncio.Event()
    courier = StartedCourier(settings, asyncio.create_task(serve(settings, stop)), stop)
    try:
        yield courier
    finally:
        stop.set()
        await courier.task
