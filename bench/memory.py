"""How much the server grows while a hundred thousand customers call it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from bench.check_request import check_request, grpc_message
from bench.key_load import open_key_load
from bench.plan import MEMORY_CHECKS_FROM, MEMORY_CHECKS_TO, MEMORY_KEYS
from bench.process_meter import memory_mib
from bench.seed import credential, seed
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psutil

    from bench.rig import Rig
    from bench.target import Target

_IN_FLIGHT = 64
# A pause of a busy machine makes some checks time out at Redis, which moves no memory.
_ADMITTED_SHARE_MIN = 0.99


@dataclass(frozen=True)
class Memory:
    """Of the server, in MiB, after so many checks with `MEMORY_KEYS` keys."""

    subject: str
    at_start: float
    at_100_000: float
    at_1_000_000: float

    @property
    def growth(self) -> float:
        """From the 100,000th check, when all keys have been seen, to the 1,000,000th."""
        return self.at_1_000_000 - self.at_100_000


async def measure_memory(
    rig: Rig,
    target: Target,
    server: psutil.Process,
    seconds_left: float,
    notice: Callable[[str], None],
) -> Memory:
    """Raises TimeoutError after `seconds_left`, OperatorError when checks are refused."""
    async with asyncio.timeout(seconds_left):
        notice(f"memory: making {MEMORY_KEYS:,} keys")
        rig.meter.tidy()
        # A gigabyte of file would say nothing about the server.
        rig.redis.config_set("appendonly", "no")
        await asyncio.to_thread(seed, rig.redis, MEMORY_KEYS)
        load = await open_key_load(rig.addresses[target.name], _messages(), _IN_FLIGHT)
        with closing(load):
            at_start = memory_mib(server)
            notice(f"memory: {MEMORY_CHECKS_FROM:,} checks of {target.title}")
            await load.send(MEMORY_CHECKS_FROM)
            at_100_000 = memory_mib(server)
            notice(f"memory: {MEMORY_CHECKS_TO:,} checks of {target.title}")
            await load.send(MEMORY_CHECKS_TO - MEMORY_CHECKS_FROM)
            at_1_000_000 = memory_mib(server)
    admitted = rig.meter.read().admitted
    if admitted < _ADMITTED_SHARE_MIN * MEMORY_CHECKS_TO:
        raise OperatorError(f"memory: only {admitted:,} of {MEMORY_CHECKS_TO:,} were admitted")
    return Memory(target.name, at_start, at_100_000, at_1_000_000)


def _messages() -> Iterator[bytes]:
    first = credential(0).text
    head, _, tail = grpc_message(check_request(first)).partition(first.encode())
    keys = [credential(number).text.encode() for number in range(MEMORY_KEYS)]
    return (head + key + tail for key in cycle(keys))
