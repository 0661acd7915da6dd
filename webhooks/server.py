"""The webhooks process. It accepts no webhook yet: nothing here can verify one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tollkeeper.runtime.postgres import open_pool
from tollkeeper.runtime.probes import Readiness, probe_application, serve_http
from webhooks.inbox import InboxWatch
from webhooks.migrations import verify_migrated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from webhooks.settings import WebhooksSettings


async def serve(settings: WebhooksSettings, stop: asyncio.Event) -> None:
    """Run until `stop`.

    Raises OperatorError when PostgreSQL does not answer or lacks migrations, or the port is taken.
    """
    readiness = Readiness()
    async with (
        _postgres(settings) as pool,
        serve_http(probe_application(readiness), settings.webhooks_listen),
        asyncio.TaskGroup() as tasks,
    ):
        watch = InboxWatch(pool, readiness)
        await watch.run_once()
        tasks.create_task(watch.run(stop))
        readiness.ready()
        await stop.wait()
        readiness.not_ready("process", "stopping")


@asynccontextmanager
async def _postgres(settings: WebhooksSettings) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(
        settings.postgres_url,
        application_name="tollkeeper-webhooks",
        wait_seconds=settings.start_timeout_seconds,
        size_max=4,
    )
    try:
        async with pool.acquire() as connection:
            await verify_migrated(connection)
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), settings.drain_timeout_seconds)
        except TimeoutError:
            pool.terminate()
