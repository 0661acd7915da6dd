from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.integration.workers.parent_process import ParentProcess
from tollkeeper.stack.ports import is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not below `tmp_path`, whose names are too long for a socket.
    with TemporaryDirectory(prefix="tk-") as name:
        yield Path(name)


@pytest.fixture
def parent(
    folder: Path, free_ports: Callable[[int], list[int]], redis_url: str
) -> Iterator[ParentProcess]:
    """Two workers on Unix sockets, not started."""
    parent = ParentProcess(
        folder,
        f"127.0.0.1:{free_ports(1)[0]}",
        {
            "TOLLKEEPER_REDIS_URL": redis_url,
            "TOLLKEEPER_EXT_AUTHZ_LISTEN": f"unix:{folder}/gate.sock",
        },
    )
    try:
        yield parent
    finally:
        parent.end()


@pytest.fixture
def two_ports(free_ports: Callable[[int], list[int]]) -> int:
    """The first of two free ports in a row."""
    while True:
        port = free_ports(1)[0]
        if is_free(port + 1):
            return port
