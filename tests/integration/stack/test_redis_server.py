"""The stack's own Redis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import AuthenticationError, Redis

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack import redis_server as module
from tollkeeper.stack.binaries import Binary
from tollkeeper.stack.child import Child
from tollkeeper.stack.redis_server import RedisServer

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory


async def test_data_survives_a_stop(directory: StackDirectory, free_port: int) -> None:
    server = RedisServer(directory.redis, free_port, "secret")
    child = Child(server.part(), directory)
    try:
        await child.start()
        with Redis.from_url(server.url) as redis:
            redis.set("kept", "1")
    finally:
        await child.stop()

    again = Child(server.part(), directory)
    try:
        await again.start()
        with Redis.from_url(server.url) as redis:
            assert redis.get("kept") == b"1"
    finally:
        await again.stop()


def test_it_asks_for_the_password_and_listens_on_loopback_only(redis_url: str) -> None:
    with (
        Redis.from_url(redis_url.replace("secret", "mistaken")) as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.ping()
    with Redis.from_url(redis_url) as redis:
        expected = {
            "bind": "127.0.0.1",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        assert {name: redis.config_get(name)[name] for name in expected} == expected


async def test_redis_6_is_not_started_on_what_redis_7_stored(
    directory: StackDirectory, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would see nothing of it and start empty."""
    monkeypatch.setattr(module, "find_redis", lambda: Binary(Path("redis-server"), "PATH"))
    monkeypatch.setattr(Binary, "version", "6.2.5")
    (directory.redis / "appendonlydir").mkdir(parents=True)
    with pytest.raises(OperatorError, match="written by Redis 7 or newer"):
        await RedisServer(directory.redis, free_port, "secret").part().prepare()
