from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.local_stack import LocalStack
from tollkeeper.stack.directory import StackDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.free_ports import FreePorts


@pytest.fixture
def own_stack(tmp_path: Path, ports: FreePorts) -> Iterator[LocalStack]:
    """A stack of the test's own, not yet started."""
    stack = LocalStack(tmp_path / "stack", ports.stack_base())
    yield stack
    stack.down()


@pytest.fixture
def directory(tmp_path: Path) -> StackDirectory:
    made = StackDirectory(tmp_path / "dir")
    made.create()
    return made
