"""What Redis did and what it cost, asked from Redis itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.seed import PARTITIONS
from ext_authz import keyspace

if TYPE_CHECKING:
    from redis import Redis

# A long run appends gigabytes to the file; a rewrite forks, so it must not fall into a measurement.
_AOF_BYTES_MAX = 512 * 1024**2
_REWRITE_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class RedisReading:
    admitted: int
    cpu_seconds: float
    script_seconds: float


class RedisMeter:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        redis.config_set("auto-aof-rewrite-percentage", 0)

    def read(self) -> RedisReading:
        cpu = self._redis.info("cpu")
        scripts = self._redis.info("commandstats").get("cmdstat_evalsha", {"usec": 0})
        return RedisReading(
            self._admitted(),
            cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            scripts["usec"] / 1e6,
        )

    def tidy(self) -> None:
        """Drop the charges, which no courier carries here, before they fill the memory."""
        self._redis.delete(*(keyspace.charges(number) for number in range(PARTITIONS)))
        if self._redis.info("persistence").get("aof_current_size", 0) > _AOF_BYTES_MAX:
            self._redis.bgrewriteaof()
            while self._redis.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(_REWRITE_POLL_SECONDS)

    def _admitted(self) -> int:
        with self._redis.pipeline(transaction=False) as pipe:
            for number in range(PARTITIONS):
                pipe.xlen(keyspace.charges(number))
            return sum(pipe.execute())
