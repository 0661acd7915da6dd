"""Real servers for every test: a PostgreSQL and a Redis per worker, one whole stack."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.support.free_ports import FreePorts
from tests.support.local_stack import LocalStack
from tollkeeper.stack.child import Child
from tollkeeper.stack.directory import StackDirectory
from tollkeeper.stack.postgres_server import PostgresServer
from tollkeeper.stack.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tollkeeper.stack.part import Part

_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests of the shared stack, so that there is one such stack."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="session")
def ports() -> FreePorts:
    return FreePorts()


@pytest.fixture
def free_port(ports: FreePorts) -> int:
    return ports.port()


@pytest.fixture
def free_ports(ports: FreePorts) -> Callable[[int], list[int]]:
    """As many free ports as asked for."""
    return lambda count: [ports.port() for _ in range(count)]


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """A loop for what fixtures do, beside the one of the tests."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> StackDirectory:
    directory = StackDirectory(tmp_path_factory.mktemp("servers"))
    directory.create()
    return directory


@pytest.fixture(scope="session")
def postgres_server(
    servers: StackDirectory, ports: FreePorts, runner: asyncio.Runner
) -> Iterator[PostgresServer]:
    server = PostgresServer(servers.postgres, ports.port(), "secret", servers.log("postgres"))
    with _running(server.part(), servers, runner):
        yield server


@pytest.fixture(scope="session")
def redis_server(
    servers: StackDirectory, ports: FreePorts, runner: asyncio.Runner
) -> Iterator[RedisServer]:
    server = RedisServer(servers.redis, ports.port(), "secret")
    with _running(server.part(), servers, runner):
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, runner: asyncio.Runner) -> Iterator[str]:
    """A database of the test's own, empty."""
    name = f"test_{next(_numbers)}"
    yield runner.run(postgres_server.create_database(name))
    runner.run(postgres_server.drop_database(name))


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis that no other test uses meanwhile."""
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        redis.script_flush()
    return redis_server.url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, ports: FreePorts) -> Iterator[LocalStack]:
    """A whole stack, started as a newcomer does. Tests leave no trace that others would see."""
    stack = LocalStack(tmp_path_factory.mktemp("stack"), ports.stack_base())
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@contextmanager
def _running(part: Part, directory: StackDirectory, runner: asyncio.Runner) -> Iterator[None]:
    child = Child(part, directory)
    try:
        runner.run(child.start())
        yield
    finally:
        runner.run(child.stop())
