from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from tests.integration.courier.site import Site
from tests.support.ledger_process import ledger, settings
from tests.support.relay import relay_to
from tollkeeper.runtime.settings import split_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.ledger_process import RunningLedger

__all__ = ["ledger", "settings"]


@pytest.fixture
async def site(
    ledger: RunningLedger,
    redis_url: str,
    free_ports: Callable[[int], list[int]],
) -> AsyncIterator[Site]:
    async with (
        relay_to(*split_address(ledger.settings.ledger_listen)) as wire,
        Redis.from_url(redis_url) as redis,
    ):
        yield Site(ledger, wire, redis, redis_url, free_ports)
