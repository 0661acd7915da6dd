"""What a process and its children used of the machine."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB = 1024 * 1024


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of all that run now."""
    times = [member.cpu_times() for member in _tree(process)]
    return sum(time.user + time.system for time in times)


def memory_mib(process: psutil.Process) -> float:
    """What is resident."""
    return sum(member.memory_info().rss for member in _tree(process)) / _MIB


def age_seconds() -> float:
    """Since this program was started, loading its libraries included."""
    return time.time() - psutil.Process().create_time()


def machine_busy_seconds() -> float:
    """Of all cores and everybody on them, the hypervisor's other guests included."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _tree(process: psutil.Process) -> Iterator[psutil.Process]:
    yield process
    with suppress(psutil.NoSuchProcess):
        yield from process.children(recursive=True)
