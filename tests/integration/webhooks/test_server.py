from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.support.relay import relay_to
from tollkeeper.runtime.errors import OperatorError
from webhooks.migrations import migrate_database
from webhooks.server import serve
from webhooks.settings import WebhooksSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def test_a_migrated_start_serves_probes_and_stops_when_told(
    postgres_url: str, free_port: int
) -> None:
    await migrate_database(postgres_url)
    async with (
        running(settings_of(postgres_url, free_port)) as origin,
        aiohttp.ClientSession() as http,
    ):
        ready = await http.get(f"{origin}/readyz")
        metrics = await http.get(f"{origin}/metrics")
        webhook = await http.post(f"{origin}/webhooks/stripe", json={"id": "evt_1"})

        assert (await ready.json()) == {"ready": True, "reasons": {}}
        assert 'tollkeeper_webhooks_inbox_events{status="received"} 0.0' in await metrics.text()
        assert webhook.status == 404, "nothing here can verify a webhook"


async def test_readyz_says_503_while_postgres_is_down_and_recovers(
    postgres_url: str, free_port: int
) -> None:
    await migrate_database(postgres_url)
    there = urlsplit(postgres_url)
    async with relay_to(there.hostname or "127.0.0.1", there.port or 5432) as relay:
        here = there._replace(netloc=f"{there.netloc.rpartition(':')[0]}:{relay.port}").geturl()
        async with running(settings_of(here, free_port)) as origin:
            await relay.cut()
            await until_ready_is(503, origin)
            await relay.open()
            await until_ready_is(200, origin)


async def test_an_unmigrated_database_stops_the_start(postgres_url: str, free_port: int) -> None:
    with pytest.raises(OperatorError, match="run `tollkeeper migrate`"):
        await serve(settings_of(postgres_url, free_port), asyncio.Event())


async def test_an_unreachable_postgres_stops_the_start(free_url: str, free_port: int) -> None:
    settings = WebhooksSettings(
        postgres_url=free_url,
        webhooks_listen=f"127.0.0.1:{free_port}",
        start_timeout_seconds=0.1,
    )
    with pytest.raises(OperatorError, match="PostgreSQL does not answer") as raised:
        await serve(settings, asyncio.Event())
    assert "secret" not in str(raised.value)


def test_missing_settings_are_named_by_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLKEEPER_POSTGRES_URL", raising=False)
    monkeypatch.setenv("TOLLKEEPER_WEBHOOKS_LISTEN", "nowhere")

    with pytest.raises(OperatorError, match="TOLLKEEPER_WEBHOOKS_LISTEN") as raised:
        WebhooksSettings.read()
    assert "TOLLKEEPER_POSTGRES_URL" in str(raised.value)


def settings_of(postgres_url: str, port: int) -> WebhooksSettings:
    return WebhooksSettings(postgres_url=postgres_url, webhooks_listen=f"127.0.0.1:{port}")


@asynccontextmanager
async def running(settings: WebhooksSettings) -> AsyncIterator[str]:
    """The process in this test's loop; yields its origin once it answers."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(settings, stop))
    origin = f"http://{settings.webhooks_listen}"
    try:
        await until_ready_is(200, origin, task)
        yield origin
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def until_ready_is(status: int, origin: str, task: asyncio.Task[None] | None = None) -> None:
    """Poll until `/readyz` answers so; what ended the process early is raised."""
    async with asyncio.timeout(15), aiohttp.ClientSession() as http:
        while task is None or not task.done():
            try:
                async with http.get(f"{origin}/readyz") as response:
                    if response.status == status:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.02)
        await task
