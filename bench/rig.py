"""Everything that is measured, running: Redis with keys in it, the subjects, Envoy before them."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis

from bench.addresses import free_addresses
from bench.allowed import expect_allowed
from bench.figures import NO_GATE
from bench.gateway import BenchGateway, Entrance
from bench.redis_meter import RedisMeter
from bench.seed import credential, seed
from bench.subject import Place
from bench.target import Target, direct_arguments, envoy_arguments
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import split_address
from tollkeeper.stack.child import Child
from tollkeeper.stack.directory import StackDirectory
from tollkeeper.stack.redis_server import RedisServer
from tollkeeper.stack.run_record import read_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    import psutil

    from bench.subject import Subject
    from tollkeeper.stack.part import Part

# One key for all but the memory figure.
KEY = credential(0).text


@dataclass(frozen=True)
class Rig:
    folder: Path
    redis: Redis
    meter: RedisMeter
    redis_process: psutil.Process
    # By subject.
    addresses: dict[str, str]
    direct: list[Target]
    through_envoy: list[Target]

    @property
    def processes(self) -> list[psutil.Process]:
        """All that runs but ourselves."""
        found = [self.redis_process, *(target.server for target in self.direct)]
        return [process for process in (*found, self.through_envoy[0].envoy) if process]


@asynccontextmanager
async def running_rig(subjects: Sequence[Subject]) -> AsyncIterator[Rig]:
    """Start everything; end it and remove its data when the block ends."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollkeeper-bench-")))
        starter = _Starter(stack, StackDirectory(folder))
        addresses = free_addresses()
        server = _redis_server(starter.directory, next(addresses))
        redis_process = await starter.start(server.part())
        redis = stack.enter_context(Redis.from_url(server.url))
        seed(redis, keys=1)
        places = {
            subject.name: Place(next(addresses), next(addresses), server.url)
            for subject in subjects
        }
        servers = await starter.start_all(
            [each.part(each.name, places[each.name]) for each in subjects]
        )
        for place in places.values():
            await expect_allowed(place.listen, KEY)
        entrances = list(_entrances(places, addresses))
        gateway = BenchGateway(next(addresses), next(addresses), entrances)
        envoy = await starter.start(gateway.part(folder / "envoy.json"))
        pairs = list(zip(subjects, servers, strict=True))
        yield Rig(
            folder=folder,
            redis=redis,
            meter=RedisMeter(redis),
            redis_process=redis_process,
            addresses={name: place.listen for name, place in places.items()},
            direct=[
                Target(
                    subject.name,
                    subject.title,
                    direct_arguments(places[subject.name].listen, KEY, folder),
                    subject.asks_redis,
                    process,
                )
                for subject, process in pairs
            ],
            through_envoy=list(_through_envoy(pairs, entrances, envoy)),
        )


class _Starter:
    def __init__(self, stack: AsyncExitStack, directory: StackDirectory) -> None:
        directory.create()
        self.directory = directory
        self._stack = stack

    async def start_all(self, parts: Sequence[Part]) -> list[psutil.Process]:
        """At once; when one fails, the others are up first, so that they can be ended."""
        started = await asyncio.gather(*map(self.start, parts), return_exceptions=True)
        failures = [outcome for outcome in started if isinstance(outcome, BaseException)]
        if failures:
            raise failures[0]
        return [outcome for outcome in started if not isinstance(outcome, BaseException)]

    async def start(self, part: Part) -> psutil.Process:
        child = Child(part, self.directory)
        self._stack.push_async_callback(child.stop)
        await child.start()
        records = {record.name: record for record in read_records(self.directory.run)}
        process = records[part.name].process
        if process is None:
            raise OperatorError(f"{part.name} ended right after its start")
        return process


def _redis_server(directory: StackDirectory, address: str) -> RedisServer:
    return RedisServer(directory.redis, split_address(address)[1], secrets.token_urlsafe())


def _entrances(places: dict[str, Place], addresses: Iterator[str]) -> Iterator[Entrance]:
    yield Entrance(NO_GATE, next(addresses), None)
    for name, place in places.items():
        yield Entrance(name, next(addresses), place.listen)


def _through_envoy(
    pairs: Sequence[tuple[Subject, psutil.Process]],
    entrances: Sequence[Entrance],
    envoy: psutil.Process,
) -> Iterator[Target]:
    listen = {entrance.name: entrance.listen for entrance in entrances}
    yield Target(NO_GATE, "no ext_authz", envoy_arguments(listen[NO_GATE], KEY), False, None, envoy)
    for subject, process in pairs:
        yield Target(
            subject.name,
            subject.title,
            envoy_arguments(listen[subject.name], KEY),
            subject.asks_redis,
            process,
            envoy,
        )
