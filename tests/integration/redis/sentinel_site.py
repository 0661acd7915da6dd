"""A master, its replica, and a Sentinel that watches both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from tests.integration.redis.redis_process import HOST, RedisProcess
from tests.support.running import until_async

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SERVICE = "tolls"
_SECONDS_MAX = 10


class SentinelSite:
    def __init__(self, folder: Path, free_ports: Callable[[int], list[int]]) -> None:
        first, second, third = free_ports(3)
        self.master = RedisProcess(folder / "master", first, "repl-diskless-sync-delay 0")
        self.replica = RedisProcess(folder / "replica", second, f"replicaof {HOST} {first}")
        self.sentinel = RedisProcess(
            folder / "sentinel",
            third,
            f"sentinel monitor {_SERVICE} {HOST} {first} 1",
            f"sentinel down-after-milliseconds {_SERVICE} 400",
            f"sentinel failover-timeout {_SERVICE} 3000",
        )
        dead, _ = free_ports(2)
        # The first does not answer: others are asked.
        self.url = f"redis+sentinel://{HOST}:{dead},{self.sentinel.place}/{_SERVICE}/0"

    async def start(self) -> None:
        await self.master.start()
        await self.replica.start()
        await until_async(self._replicates, _SECONDS_MAX)
        await self.sentinel.start("--sentinel")
        await until_async(self._is_watched, _SECONDS_MAX)

    def stop(self) -> None:
        for server in (self.sentinel, self.replica, self.master):
            server.kill()

    async def order_failover(self) -> None:
        await until_async(self._failover_accepted, _SECONDS_MAX)

    async def _failover_accepted(self) -> bool:
        async with self.sentinel.client() as sentinel:
            try:
                await sentinel.execute_command("SENTINEL", "FAILOVER", _SERVICE)
            except ResponseError:
                # It has not heard enough of the replica yet.
                return False
        return True

    async def _replicates(self) -> bool:
        async with self.replica.client() as replica:
            return bool((await replica.info("replication"))["master_link_status"] == "up")

    async def _is_watched(self) -> bool:
        async with self.sentinel.client() as sentinel:
            state = (await sentinel.sentinel_masters())[_SERVICE]
        return bool(state["num-slaves"] == 1)
