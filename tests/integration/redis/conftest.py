from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.redis.redis_process import RedisProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.free_ports import FreePorts


@pytest.fixture
async def closed_redis(tmp_path: Path, ports: FreePorts) -> AsyncIterator[RedisProcess]:
    """One that asks for a password."""
    server = RedisProcess(tmp_path / "closed", ports.port(), "requirepass secret")
    try:
        await server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
async def own_redis(tmp_path: Path, free_port: int) -> AsyncIterator[RedisProcess]:
    """A server of the test's own, to be broken."""
    server = RedisProcess(
        tmp_path / "redis",
        free_port,
        f'unixsocket "{tmp_path}/redis.sock"',
        "user default on nopass ~* &* +@all",
        "user gate on >right ~tk:* resetchannels &tk:* +@all",
        "user guest on >right ~tk:* resetchannels &tk:* +@all -script",
    )
    try:
        await server.start()
        yield server
    finally:
        server.kill()
