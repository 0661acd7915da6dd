"""What was decided when Tollkeeper was installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.store.queries import queries
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    import asyncpg


async def agree_on_partitions(pool: asyncpg.Pool, partitions: int) -> None:
    """Store the number at the first start; raise OperatorError when it is another one later."""
    await queries.claim_installation(pool, partitions=partitions)
    installed = await queries.installed_partitions(pool)
    if installed != partitions:
        raise OperatorError(
            f"TOLLKEEPER_PARTITIONS is {partitions}, but this installation has {installed}: the "
            f"number is part of every API key and cannot change; set it to {installed}"
        )
