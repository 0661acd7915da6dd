"""End what a stack left running: behind `tollkeeper down`, also when its supervisor is gone."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tollkeeper.stack.progress import step
from tollkeeper.stack.run_record import SUPERVISOR, read_records

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory
    from tollkeeper.stack.progress import Progress
    from tollkeeper.stack.run_record import RunRecord

# Every part within its own bound, one stage after the other.
_SUPERVISOR_SECONDS_MAX = 120.0
_PART_SECONDS_MAX = 30.0
_GONE_POLL_SECONDS = 0.02


def end_stack(directory: StackDirectory, progress: Progress) -> bool:
    """End every recorded process, the supervisor first; False when none was running.

    Blocks until they are gone.
    """
    records = read_records(directory.run)
    running = [record for record in records if record.process is not None]
    for record in running:
        if record.name == SUPERVISOR:
            with step(progress, "stop the stack"):
                _end(record, _SUPERVISOR_SECONDS_MAX)
    # A supervisor that obeyed has ended its children; these are those of one that could not.
    for record in reversed(running):
        if record.process is not None:
            with step(progress, f"stop {record.name}", f"process {record.pid}"):
                _end(record, _PART_SECONDS_MAX)
    clear_run_files(directory)
    return bool(running)


def clear_run_files(directory: StackDirectory) -> None:
    directory.endpoints.unlink(missing_ok=True)
    shutil.rmtree(directory.run, ignore_errors=True)


def _end(record: RunRecord, seconds_max: float) -> None:
    process = record.process
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        process.send_signal(record.stop_signal)
    if not _gone(record, seconds_max):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if record.name == SUPERVISOR:
                process.kill()
            else:
                # Every part leads a session of its own, so its helpers go with it.
                os.killpg(record.pid, signal.SIGKILL)
        _gone(record, _PART_SECONDS_MAX)


def _gone(record: RunRecord, seconds: float) -> bool:
    """Wait for the end of a process that is not our child, and that nobody may reap."""
    deadline = time.monotonic() + seconds
    while record.process is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_GONE_POLL_SECONDS)
    return True
