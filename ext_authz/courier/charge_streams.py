"""The charge streams in Redis: read, take over, acknowledge."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError, ResponseError

from ext_authz import keyspace, scripts
from ext_authz.courier.reservation import Reservation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

_GROUP = "courier"


class ChargeStreams:
    """One stream per partition, one consumer group, one consumer per courier process."""

    def __init__(self, redis: Redis, consumer: str, partitions: int) -> None:
        self._redis = redis
        self._consumer = consumer
        self._partition_of = {
            keyspace.charges(partition).encode(): partition for partition in range(partitions)
        }

    async def create_groups(self) -> None:
        """Make the groups that are missing. From the first entry on: nothing is skipped."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self._partition_of:
            pipeline.xgroup_create(stream, _GROUP, id="0", mkstream=True)
        for reply in await pipeline.execute(raise_on_error=False):
            if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                raise reply

    async def read(self, count: int, block_milliseconds: int) -> list[Reservation]:
        """Entries that no courier has read yet, at most `count` per partition."""
        try:
            reply: Any = await self._redis.xreadgroup(
                _GROUP,
                self._consumer,
                dict.fromkeys(self._partition_of, ">"),
                count=count,
                block=block_milliseconds,
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            log.warning("a charge stream is new or was emptied: making its consumer group")
            await self.create_groups()
            return []
        found: list[Reservation] = []
        for stream, entries in _items(reply):
            found += await self._reservations(self._partition_of[bytes(stream)], entries)
        return found

    async def take_over(self, idle_seconds: float, count: int) -> list[Reservation]:
        """Entries that a courier read and did not acknowledge for `idle_seconds`."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self._partition_of:
            pipeline.xautoclaim(
                stream, _GROUP, self._consumer, int(idle_seconds * 1000), "0-0", count=count
            )
        found: list[Reservation] = []
        replies = await pipeline.execute(raise_on_error=False)
        for partition, reply in zip(self._partition_of.values(), replies, strict=True):
            if isinstance(reply, ResponseError) and "NOGROUP" in str(reply):
                continue
            if isinstance(reply, Exception):
                raise reply
            found += await self._reservations(partition, reply[1])
        return found

    async def acknowledge(self, reservations: Iterable[Reservation]) -> None:
        """Forget entries that the ledger has committed."""
        by_partition: dict[int, list[bytes]] = defaultdict(list)
        for reservation in reservations:
            by_partition[reservation.partition].append(reservation.entry_id)
        pipeline = self._redis.pipeline(transaction=False)
        for partition, entry_ids in by_partition.items():
            # Deleted first: nobody would ever delete an entry that is acknowledged already.
            pipeline.xdel(keyspace.charges(partition), *entry_ids)
            pipeline.xack(keyspace.charges(partition), _GROUP, *entry_ids)
        await pipeline.execute()

    async def bury(self, reservation: Reservation, why: str) -> None:
        """Keep an entry that the ledger refuses where a person finds it."""
        fields = {
            "charge": reservation.charge_id,
            "tenant": reservation.tenant_id,
            "key": reservation.key_id,
            "metric": reservation.metric,
            "units": reservation.units,
            "at": reservation.at_micros,
            "request": reservation.request_id,
            "why": why,
        }
        await self._redis.xadd(keyspace.dead_charges(reservation.partition), fields)  # type: ignore[arg-type]

    async def backlog(self) -> int:
        """How many reservations the ledger does not have yet."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self._partition_of:
            pipeline.xlen(stream)
        return sum(await pipeline.execute())

    async def leave(self) -> None:
        """Remove this consumer where nothing is pending; what is pending, others take over."""
        leave = self._redis.register_script(scripts.source("leave_group"))
        with suppress(RedisError, OSError):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for stream in self._partition_of:
                    await leave(keys=[stream], args=[_GROUP, self._consumer], client=pipeline)
                await pipeline.execute()

    async def _reservations(self, partition: int, entries: Any) -> list[Reservation]:
        found: list[Reservation] = []
        for entry_id, fields in entries:
            # Redis 6.2 hands out entries that were deleted meanwhile, without content.
            if not fields:
                continue
            try:
                found.append(Reservation.from_entry(partition, entry_id, fields))
            except (KeyError, ValueError) as error:
                log.warning(
                    "not a reservation", partition=partition, entry=entry_id, error=str(error)
                )
                why = f"malformed: {error!r}"
                await self._redis.xadd(keyspace.dead_charges(partition), {**fields, b"why": why})
                await self._redis.xdel(keyspace.charges(partition), entry_id)
                await self._redis.xack(keyspace.charges(partition), _GROUP, entry_id)
        return found


def _items(reply: Any) -> Any:
    """RESP2 answers with a list of pairs, RESP3 with a dictionary."""
    return reply.items() if isinstance(reply, dict) else reply or []
