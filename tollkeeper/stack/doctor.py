"""All that could keep a stack from running, looked at in one go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tollkeeper.runtime.clock import system_clock
from tollkeeper.stack.directory import read_json
from tollkeeper.stack.finding import Finding
from tollkeeper.stack.machine_checks import (
    check_binaries,
    check_clock,
    check_directory,
    check_disk,
    check_memory,
    check_ports,
    check_python,
    check_user,
)
from tollkeeper.stack.running_checks import (
    check_backlog,
    check_postgres,
    check_redis,
    check_services,
)
from tollkeeper.stack.status import read_status

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory


def examine(directory: StackDirectory, port_base: int) -> list[Finding]:
    """The machine first; then the ports, or the stack that holds them."""
    findings = [
        check_python(),
        *check_binaries(),
        check_user(),
        check_directory(directory.path),
        check_memory(),
        check_disk(directory.path),
        check_clock(system_clock),
    ]
    status = read_status(directory)
    if not status.parts:
        return [*findings, check_ports(port_base)]
    if status.fault:
        findings.append(Finding("fault", "stack", status.fault))
    else:
        findings.append(Finding("well", "stack", f"{len(status.parts)} processes run"))
    endpoints = read_json(directory.endpoints)
    if endpoints is not None:
        findings.extend(asyncio.run(_running(directory, endpoints)))
    return findings


async def _running(directory: StackDirectory, endpoints: dict[str, Any]) -> list[Finding]:
    return [
        await check_postgres(endpoints["postgres"]),
        await check_redis(endpoints["redis"]),
        *await asyncio.to_thread(lambda: [*check_services(endpoints, str(directory.logs))]),
        await asyncio.to_thread(check_backlog, endpoints),
    ]
