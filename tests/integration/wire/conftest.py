from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.wire.echo_process import EchoProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.free_ports import FreePorts


@pytest.fixture(scope="session")
def echo(ports: FreePorts) -> Iterator[EchoProcess]:
    """One server for all: what a test does to it, the others must not feel."""
    with EchoProcess(f"127.0.0.1:{ports.port()}") as process:
        yield process


@pytest.fixture
def own_echo(ports: FreePorts) -> Iterator[EchoProcess]:
    """For tests that stop it, or weigh it."""
    with EchoProcess(f"127.0.0.1:{ports.port()}") as process:
        yield process
