"""The supervising process: what it does from start to end, in the foreground or behind."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from tollkeeper.runtime.clock import system_clock
from tollkeeper.stack.assembly import Assembly
from tollkeeper.stack.both_progress import BothProgress
from tollkeeper.stack.directory import write_private_json
from tollkeeper.stack.plain_progress import PlainProgress
from tollkeeper.stack.ports import check_free
from tollkeeper.stack.run_record import SUPERVISOR, RunRecord
from tollkeeper.stack.supervisor import Supervisor
from tollkeeper.stack.takedown import clear_run_files, end_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tollkeeper.stack.options import UpOptions
    from tollkeeper.stack.progress import Progress

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_stack(
    options: UpOptions, progress: Progress, ready: Callable[[dict[str, object]], None]
) -> None:
    """Run a stack until SIGINT, SIGTERM or SIGHUP; `ready` gets the endpoints once all is up.

    Raises OperatorError, with everything ended, when it cannot start.
    """
    asyncio.run(_run(options, progress, ready))


async def _run(
    options: UpOptions, progress: Progress, ready: Callable[[dict[str, object]], None]
) -> None:
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    directory = options.directory
    directory.create()
    with directory.locked(), directory.log(SUPERVISOR).open("a") as log:
        try:
            await _run_locked(
                options, BothProgress(progress, PlainProgress(log, system_clock)), ready, stop
            )
        finally:
            clear_run_files(directory)


async def _run_locked(
    options: UpOptions,
    progress: Progress,
    ready: Callable[[dict[str, object]], None],
    stop: asyncio.Event,
) -> None:
    directory = options.directory
    # A supervisor that was killed could not end its children.
    await asyncio.to_thread(end_stack, directory, progress)
    check_free(options.wanted_ports)
    _record_ourselves(options)
    assembly = Assembly.of(options)

    async def announce() -> None:
        endpoints = assembly.endpoints()
        write_private_json(directory.endpoints, endpoints)
        ready(endpoints)

    await Supervisor(assembly.stages(), progress).run(stop, announce)


def _record_ourselves(options: UpOptions) -> None:
    record = RunRecord.of(
        os.getpid(), name=SUPERVISOR, address="", order=-1, stop_signal=signal.SIGTERM
    )
    replace(record, state="running").write(options.directory.run)
