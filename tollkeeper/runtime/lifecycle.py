"""How a process runs: one coroutine, one stop event, one exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import structlog
import uvloop

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)


def run(serve: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `serve(stop)` on uvloop until it returns; SIGTERM and SIGINT set `stop`.

    Returns the exit status: 0, or 1 when `serve` raised OperatorError, whose line is printed.
    """
    status = 0
    try:
        uvloop.run(_until_signalled(serve))
    except* OperatorError as group:
        for error in _leaves(group):
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line for a person
        status = 1
    return status


async def _until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(stop)
    log.info("stopped")


def _leaves(group: BaseExceptionGroup[OperatorError]) -> list[OperatorError]:
    found: list[OperatorError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


async def backoff_sleep(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake at once when the process is told to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
