from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import Cli

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack


@pytest.fixture
def cli(stack: LocalStack) -> Cli:
    return Cli(stack)


@pytest.fixture
def name() -> str:
    """A tenant's name that no other test has."""
    return f"cli-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def tenant(cli: Cli, name: str) -> dict[str, Any]:
    """A new tenant on plan `free`."""
    return cli.json("tenant", "create", name, "--plan", "free")
