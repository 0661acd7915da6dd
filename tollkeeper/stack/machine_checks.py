"""What the machine must offer before a stack can start."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING

import psutil

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.binaries import find_envoy, find_postgres, find_redis
from tollkeeper.stack.drop_root import command_prefix
from tollkeeper.stack.finding import Finding
from tollkeeper.stack.ports import Ports, is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tollkeeper.runtime.clock import Clock
    from tollkeeper.stack.binaries import Binary

_PYTHON_MIN = (3, 11)
_MIB = 1024 * 1024
# Idle, the stack takes about 600 MiB; a day of trying it out, some hundred MiB of disk.
_MEMORY_MIB_MIN = 1_024
_DISK_MIB_WARNING = 2_048
_DISK_MIB_MIN = 256
# A clock behind this program's own making is wrong, and expiries and periods with it.
_YEAR_MIN = 2026


def check_python() -> Finding:
    version = platform.python_version()
    if sys.version_info >= _PYTHON_MIN:
        return Finding("well", "python", f"{version}, {sys.executable}")
    return Finding("fault", "python", version, "use Python 3.11 or newer")


def check_binaries() -> Iterator[Finding]:
    finders: dict[str, Callable[[], Binary]] = {
        "postgres": find_postgres,
        "redis": find_redis,
        "envoy": find_envoy,
    }
    for name, find in finders.items():
        try:
            binary = find()
            detail = f"{binary.version} ({binary.source})"
        except OperatorError as error:
            fault, _, advice = str(error).partition(": ")
            yield Finding("fault", name, fault, advice)
        else:
            yield Finding("well", name, detail)


def check_user() -> Finding:
    if os.geteuid() != 0:
        return Finding("well", "user", "an ordinary user")
    try:
        command_prefix()
    except OperatorError as error:
        fault, _, advice = str(error).partition(": ")
        return Finding("fault", "user", fault, advice)
    return Finding("well", "user", "root; PostgreSQL will run as nobody")


def check_directory(path: Path) -> Finding:
    """The directory itself, or the nearest one above it in which it can be made."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    effective = os.access in os.supports_effective_ids
    may_write = os.access(existing, os.W_OK | os.X_OK, effective_ids=effective)
    if existing.is_dir() and may_write:
        return Finding("well", "directory", f"{path} is writable")
    return Finding("fault", "directory", f"{path} cannot be written", "choose another with --dir")


def check_ports(port_base: int) -> Finding:
    ports = [port for wanted in Ports(port_base).by_part.values() for port in wanted]
    taken = [port for port in sorted(ports) if not is_free(port)]
    if not taken:
        return Finding("well", "ports", f"{min(ports)} to {max(ports)}: all {len(ports)} are free")
    return Finding(
        "fault",
        "ports",
        f"in use: {', '.join(map(str, taken))}",
        "end what holds them, or choose others with --port-base",
    )


def check_memory() -> Finding:
    free = psutil.virtual_memory().available // _MIB
    if free >= _MEMORY_MIB_MIN:
        return Finding("well", "memory", f"{free:,} MiB available")
    return Finding(
        "warning", "memory", f"{free:,} MiB available", f"leave {_MEMORY_MIB_MIN:,} MiB free"
    )


def check_disk(path: Path) -> Finding:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free // _MIB
    detail = f"{free:,} MiB free at {existing}"
    if free >= _DISK_MIB_WARNING:
        return Finding("well", "disk", detail)
    advice = "free some, or choose a --dir on another disk"
    return Finding("warning" if free >= _DISK_MIB_MIN else "fault", "disk", detail, advice)


def check_clock(clock: Clock) -> Finding:
    now = clock()
    detail = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.year >= _YEAR_MIN:
        return Finding("well", "clock", detail)
    return Finding("fault", "clock", detail, "set the machine's clock: expiries depend on it")
