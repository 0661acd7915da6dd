from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ledger.migrations import migrate_database
from ledger.server import serve
from ledger.settings import LedgerSettings
from tests.support.ledger_process import (
    RunningLedger,
    event,
    heard_until,
    positioned,
    query,
    running,
    until_ready_is,
)
from tests.support.relay import relay_to
from tollkeeper.api.ledger.v1 import tenants_pb2
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.relay import Relay


async def test_health_reflects_every_service_and_metrics_count_events(
    ledger: RunningLedger,
) -> None:
    health = health_pb2_grpc.HealthStub(ledger.channel)
    for service in ("TenantService", "KeyService", "PlanService", "UsageService"):
        answer = await health.Check(
            health_pb2.HealthCheckRequest(service=f"tollkeeper.api.ledger.v1.{service}")
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await ledger.record(event("tn_00000000000000000000", "c1"))

    url = f"http://{ledger.settings.ledger_metrics_listen}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        text = await response.text()

    assert 'tollkeeper_ledger_usage_events_total{outcome="unknown_tenant"}' in text
    assert "tollkeeper_ledger_usage_batch_seconds_count" in text
    assert "tollkeeper_ledger_policy_watchers 0.0" in text


async def test_a_stop_ends_watches_at_once_and_tells_them_to_come_back(
    ledger: RunningLedger,
) -> None:
    stream = ledger.watch()
    await heard_until(stream, positioned)

    ledger.stop.set()

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await heard_until(stream, lambda _: False, ledger.settings.drain_timeout_seconds / 2)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert raised.value.details() == "the ledger is stopping; watch again"


async def test_an_unmigrated_database_stops_the_start(settings: LedgerSettings) -> None:
    with pytest.raises(OperatorError, match=r"0001_first_shape.*run `tollkeeper migrate`"):
        await serve(settings, asyncio.Event())


async def test_an_unreachable_postgres_stops_the_start(
    settings: LedgerSettings, free_port: int
) -> None:
    nowhere = settings.model_copy(
        update={
            "postgres_url": f"postgresql://nobody:secret@127.0.0.1:{free_port}/none",
            "start_timeout_seconds": 0.1,
        }
    )
    with pytest.raises(OperatorError, match="PostgreSQL does not answer") as raised:
        await serve(nowhere, asyncio.Event())
    assert "secret" not in str(raised.value)


async def test_another_number_of_partitions_stops_the_start(settings: LedgerSettings) -> None:
    await migrate_database(settings.postgres_url)
    async with running(settings):
        pass

    with pytest.raises(OperatorError, match=r"TOLLKEEPER_PARTITIONS is 32, .* has 64"):
        await serve(settings.model_copy(update={"partitions": 32}), asyncio.Event())


async def test_a_port_in_use_stops_the_start(settings: LedgerSettings) -> None:
    await migrate_database(settings.postgres_url)
    async with running(settings) as first:
        second = settings.model_copy(update={"ledger_listen": first.settings.ledger_metrics_listen})
        with pytest.raises(OperatorError, match="cannot listen"):
            await serve(second, asyncio.Event())


def test_faulty_settings_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLKEEPER_POSTGRES_URL", raising=False)
    monkeypatch.setenv("TOLLKEEPER_PARTITIONS", "0")

    with pytest.raises(OperatorError, match="TOLLKEEPER_POSTGRES_URL") as raised:
        LedgerSettings.read()
    assert "TOLLKEEPER_PARTITIONS" in str(raised.value)


async def test_calls_are_unavailable_while_postgres_is_away_and_all_recovers(
    cut_off: tuple[RunningLedger, Relay],
) -> None:
    ledger, relay = cut_off
    tenant = await ledger.tenant()
    stream = ledger.watch()
    await heard_until(stream, positioned)

    await relay.cut()
    reasons = await until_ready_is(503, ledger.settings)
    assert reasons == {"postgres": "PostgreSQL does not answer"}
    for call in (
        lambda: ledger.tenants.GetTenant(tenants_pb2.GetTenantRequest(tenant="acme")),
        lambda: ledger.record(event(tenant.id, "c1")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert raised.value.details() == "PostgreSQL does not answer; try again"

    await relay.open()
    await until_ready_is(200, ledger.settings)
    assert await ledger.record(event(tenant.id, "c1")) == ["recorded"]
    await heard_until(
        stream,
        lambda heard: (
            any(change.usage.used_units for change in heard[-1].changes) if heard else False
        ),
    )


async def test_a_call_cut_off_in_the_middle_leaves_all_or_nothing(
    cut_off: tuple[RunningLedger, Relay],
) -> None:
    ledger, relay = cut_off
    tenant = await ledger.tenant()
    batch = [event(tenant.id, f"c{number}") for number in range(2_000)]

    recording = asyncio.ensure_future(ledger.record(*batch))
    await asyncio.sleep(0)
    await relay.cut()
    await asyncio.gather(recording, return_exceptions=True)
    await relay.open()
    await until_ready_is(200, ledger.settings)
    outcomes = await ledger.record(*batch)

    assert set(outcomes) in ({"recorded"}, {"exists"})
    assert await query(ledger.url, "SELECT used_units FROM ledger.usage_totals") == [(2_000,)]


async def test_watches_hear_heartbeats_while_postgres_is_away(
    cut_off: tuple[RunningLedger, Relay],
) -> None:
    ledger, relay = cut_off
    stream = ledger.watch()
    await heard_until(stream, positioned)

    await relay.cut()

    await heard_until(stream, lambda heard: bool(heard) and heard[-1].position == 0)


@pytest.fixture
async def cut_off(settings: LedgerSettings) -> AsyncIterator[tuple[RunningLedger, Relay]]:
    """A ledger whose way to PostgreSQL a test can cut; its `url` leads there directly."""
    await migrate_database(settings.postgres_url)
    there = urlsplit(settings.postgres_url)
    async with relay_to(there.hostname or "127.0.0.1", there.port or 5432) as relay:
        here = there._replace(netloc=f"{there.netloc.rpartition(':')[0]}:{relay.port}").geturl()
        async with running(settings.model_copy(update={"postgres_url": here})) as ledger:
            ledger.url = settings.postgres_url
            yield ledger, relay
