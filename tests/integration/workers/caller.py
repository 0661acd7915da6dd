"""Calls of somebody who, as Envoy does, spreads them over all workers that take calls."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# As quick as Envoy's health checks to see that a worker is back.
_OPTIONS = [
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 100),
]
_LANES = 4


@dataclass
class Calls:
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.outcomes.total()


async def check(address: str, request: Any) -> Any:
    """One call to one worker."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = external_auth_pb2_grpc.AuthorizationStub(channel)
        return await stub.Check(request, timeout=5, wait_for_ready=True)


@asynccontextmanager
async def calling(target: str, request: Any) -> AsyncIterator[Calls]:
    """Call without a pause while the block runs; nothing is tried twice by us."""
    calls, stop = Calls(), asyncio.Event()
    async with grpc.aio.insecure_channel(target, options=_OPTIONS) as channel:
        await channel.channel_ready()
        stub = external_auth_pb2_grpc.AuthorizationStub(channel)

        async def lane() -> None:
            while not stop.is_set():
                try:
                    answer = await stub.Check(request, timeout=5)
                    outcome = answer.WhichOneof("http_response")
                except grpc.aio.AioRpcError as error:
                    outcome = f"{error.code()}: {error.details()}"
                calls.outcomes[outcome] += 1

        lanes = [asyncio.create_task(lane()) for _ in range(_LANES)]
        try:
            yield calls
        finally:
            stop.set()
            await asyncio.gather(*lanes)
