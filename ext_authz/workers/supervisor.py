"""The parent of several workers: starts, watches, renews and drains them, and speaks for them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ext_authz.workers.crew import Crew
from ext_authz.workers.crew_probes import crew_application
from ext_authz.workers.leash import leash
from ext_authz.workers.worker import Worker
from tollkeeper.runtime.probes import serve_http

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from ext_authz.settings import ExtAuthzSettings


async def supervise(settings: ExtAuthzSettings, stop: asyncio.Event) -> None:
    """Keep `settings.workers` gates running until `stop`; SIGHUP renews them one by one.

    Raises OperatorError when one of them cannot start.
    """
    # Workers answer for themselves on Unix sockets in a folder that is closed to other users.
    with TemporaryDirectory(prefix="tollkeeper-") as name, leash() as end, _hangups() as hangup:
        folder = Path(name)
        crew = Crew(
            [Worker(number, settings, folder, end) for number in range(settings.workers)],
            settings.drain_notice_seconds,
        )
        async with serve_http(crew_application(crew), settings.ext_authz_metrics_listen):
            try:
                await _unless_stopped(crew.start(), stop)
                await _unless_stopped(_renew_at(hangup, crew), stop)
            finally:
                await crew.stop()


async def _renew_at(hangup: asyncio.Event, crew: Crew) -> None:
    while True:
        await hangup.wait()
        # A signal that comes while workers are renewed asks for another round.
        hangup.clear()
        await crew.renew()


async def _unless_stopped(starting: Awaitable[None], stop: asyncio.Event) -> None:
    task, stopped = asyncio.ensure_future(starting), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
    else:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def _hangups() -> Iterator[asyncio.Event]:
    """Set by SIGHUP, which without a handler would end this process."""
    hangup = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    try:
        yield hangup
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
