"""Which core does what: the load must not take time from what it measures."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Cores:
    """A core for each worker, then Redis', then the load's."""

    workers: tuple[int, ...]
    redis: int
    load: tuple[int, ...]


def our_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def share_out(cores: Sequence[int], workers: int = 1) -> Cores:
    """A core of its own for each as far as they go; the last core serves all who are left."""
    taken = tuple(cores[min(worker, len(cores) - 1)] for worker in range(workers))
    rest = tuple(cores[workers:]) or (cores[-1],)
    return Cores(taken, rest[0], rest[1:] or rest)


def keep_apart(cores: Cores, workers: Sequence[psutil.Process], redis: psutil.Process) -> None:
    """More workers than cores share the last one: then they take turns anyway."""
    for number, worker in enumerate(workers):
        _pin(worker, {cores.workers[min(number, len(cores.workers) - 1)]})
    _pin(redis, {cores.redis})
    # What we start from now on, the load generator, inherits it.
    _pin(psutil.Process(), set(cores.load))


def set_free(cores: Iterable[int], processes: Iterable[psutil.Process]) -> None:
    """All of them on all cores, as the system sees fit."""
    for process in (*processes, psutil.Process()):
        _pin(process, set(cores))


def _pin(process: psutil.Process, cores: set[int]) -> None:
    """Every thread there is; those to come inherit it."""
    with suppress(psutil.NoSuchProcess):
        for member in (process, *process.children(recursive=True)):
            for thread in member.threads():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, cores)
