"""What may be left of a stack that has ended: data and logs, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from tollkeeper.stack.ports import check_free

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.local_stack import LocalStack


def processes_of(stack: LocalStack) -> list[psutil.Process]:
    """Everything that belongs to a running stack, helpers of the parts included."""
    found = [psutil.Process(part["pid"]) for part in stack.status()["parts"]]
    return found + [child for process in found for child in process.children(recursive=True)]


def assert_nothing_is_left(stack: LocalStack, processes: Iterable[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    check_free(stack.ports.by_part)
    assert not (stack.dir / "run").exists()
    assert not (stack.dir / "endpoints.json").exists()
    assert [path for path in stack.dir.rglob("*") if path.is_socket()] == []
