"""A ledger in the test's own loop, and how to talk to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.migrations import migrate_database
from ledger.server import serve
from ledger.settings import LedgerSettings
from tollkeeper.api.ledger.v1 import (
    keys_pb2,
    keys_pb2_grpc,
    plans_pb2_grpc,
    tenants_pb2,
    tenants_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
)
from tollkeeper.api.policy.v1 import policy_pb2, policy_pb2_grpc
from tollkeeper.runtime.grpc_server import open_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import grpc

PARTITIONS = 64


@dataclass
class RunningLedger:
    url: str
    settings: LedgerSettings
    channel: grpc.aio.Channel
    stop: asyncio.Event

    def __post_init__(self) -> None:
        self.tenants = tenants_pb2_grpc.TenantServiceStub(self.channel)
        self.keys = keys_pb2_grpc.KeyServiceStub(self.channel)
        self.plans = plans_pb2_grpc.PlanServiceStub(self.channel)
        self.usage = usage_pb2_grpc.UsageServiceStub(self.channel)
        self.policies = policy_pb2_grpc.PolicyServiceStub(self.channel)

    async def tenant(self, name: str = "acme", plan: str = "standard") -> tenants_pb2.Tenant:
        return await self.tenants.CreateTenant(
            tenants_pb2.CreateTenantRequest(name=name, plan=plan)
        )

    async def key(self, tenant_id: str, **wish: Any) -> keys_pb2.CreateKeyResponse:
        return await self.keys.CreateKey(keys_pb2.CreateKeyRequest(tenant=tenant_id, **wish))

    async def record(self, *events: usage_pb2.UsageEvent) -> list[str]:
        """The outcomes by their short names."""
        response = await self.usage.RecordUsage(usage_pb2.RecordUsageRequest(events=events))
        return [
            usage_pb2.RecordOutcome.Name(outcome).removeprefix("RECORD_OUTCOME_").lower()
            for outcome in response.outcomes
        ]

    def watch(self, after_position: int = 0) -> Any:
        return self.policies.Watch(policy_pb2.WatchRequest(after_position=after_position))


def event(tenant_id: str, charge_id: str, **fields: Any) -> usage_pb2.UsageEvent:
    """A sound event of one API call; `fields` replace what a test is about."""
    sound: dict[str, Any] = {
        "source": "gate",
        "key_id": "key_1",
        "metric": "api_calls",
        "units": 1,
        "reserved_units": 1,
        "occurred_at": moment("2025-11-20T10:00:30Z"),
    }
    return usage_pb2.UsageEvent(tenant_id=tenant_id, id=charge_id, **(sound | fields))


def moment(text: str) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromJsonString(text)
    return timestamp


async def heard_until(
    stream: Any, condition: Callable[[list[policy_pb2.WatchResponse]], bool], seconds: float = 5
) -> list[policy_pb2.WatchResponse]:
    """All messages of a watch up to the one that makes the condition true."""
    messages: list[policy_pb2.WatchResponse] = []
    async with asyncio.timeout(seconds):
        while not condition(messages):
            messages.append(await stream.read())
    return messages


def positioned(messages: list[policy_pb2.WatchResponse]) -> bool:
    """Whether the last message says that all was sent so far."""
    return bool(messages) and messages[-1].position > 0


async def query(url: str, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *arguments)]
    finally:
        await connection.close()


@asynccontextmanager
async def running(settings: LedgerSettings) -> AsyncIterator[RunningLedger]:
    """The process, from readiness to its stop."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(settings, stop))
    try:
        await until_ready_is(200, settings, task)
        async with open_channel(settings.ledger_listen) as channel:
            yield RunningLedger(settings.postgres_url, settings, channel, stop)
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


async def until_ready_is(
    status: int, settings: LedgerSettings, task: asyncio.Task[None] | None = None
) -> dict[str, str]:
    """Poll until `/readyz` answers so, and return its reasons; what ended the process is raised."""
    url = f"http://{settings.ledger_metrics_listen}/readyz"
    async with asyncio.timeout(15), aiohttp.ClientSession() as http:
        while task is None or not task.done():
            try:
                async with http.get(url) as response:
                    if response.status == status:
                        reasons: dict[str, str] = (await response.json())["reasons"]
                        return reasons
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.02)
        await task
    raise AssertionError("the ledger ended")


@pytest.fixture
def settings(postgres_url: str, free_ports: Callable[[int], list[int]]) -> LedgerSettings:
    ports = free_ports(2)
    return LedgerSettings(
        postgres_url=postgres_url,
        partitions=PARTITIONS,
        ledger_listen=f"127.0.0.1:{ports[0]}",
        ledger_metrics_listen=f"127.0.0.1:{ports[1]}",
    )


@pytest.fixture
async def ledger(settings: LedgerSettings) -> AsyncIterator[RunningLedger]:
    await migrate_database(settings.postgres_url)
    async with running(settings) as ledger:
        yield ledger
