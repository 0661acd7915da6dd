from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from grpc import StatusCode

from tests.contract.ledger.statuses import refused
from tests.support.ledger_process import heard_until, positioned

if TYPE_CHECKING:
    from tests.support.ledger_process import RunningLedger


async def test_a_position_from_the_future_is_invalid(ledger: RunningLedger) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "not of this database"):
        await ledger.watch(after_position=2**63 - 1).read()


async def test_a_position_past_every_number_is_invalid_too(ledger: RunningLedger) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "not of this database"):
        await ledger.watch(after_position=2**64 - 1).read()


async def test_a_silent_watch_hears_a_heartbeat_within_five_seconds(ledger: RunningLedger) -> None:
    stream = ledger.watch()
    await heard_until(stream, positioned)

    async with asyncio.timeout(5):
        heartbeat = await stream.read()

    assert not heartbeat.changes
    assert heartbeat.partitions == ledger.settings.partitions
