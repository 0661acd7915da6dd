"""Parts as processes: started, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack import child as module
from tollkeeper.stack.child import Child
from tollkeeper.stack.part import Part
from tollkeeper.stack.part_failed import PartFailed
from tollkeeper.stack.run_record import read_records

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory

LIVES = "print('hello', flush=True); import time; time.sleep(600)"
DIES = "print('one'); print('two'); raise SystemExit(3)"
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "subprocess.Popen(['sleep', '600']); print('hello', flush=True); time.sleep(600)"
)


async def test_a_part_that_dies_while_starting_is_reported_with_its_last_lines(
    directory: StackDirectory,
) -> None:
    directory.log("part").write_text("of yesterday\n")
    child = Child(_part(DIES, directory, ready_after="never"), directory)
    with pytest.raises(PartFailed) as failed:
        await child.start()
    await child.stop()
    log = directory.log("part")
    assert str(failed.value) == (
        f"part ended with status 3 while starting; the end of {log}:\n  one\n  two"
    )


async def test_a_part_that_does_not_answer_in_time_is_reported(
    directory: StackDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS_MAX", 0.2)
    child = Child(_part(LIVES, directory, ready_after="never"), directory)
    with pytest.raises(PartFailed, match=r"part does not answer after 0\.2 s while starting"):
        await child.start()
    await child.stop()
    assert read_records(directory.run) == []


async def test_a_program_that_is_not_there_is_one_line(directory: StackDirectory) -> None:
    async def never() -> bool:
        return False

    child = Child(Part("part", "", ["/no/such/program"], never), directory)
    with pytest.raises(OperatorError, match="cannot start /no/such/program"):
        await child.start()


async def test_a_killed_part_is_restarted_and_says_so(directory: StackDirectory) -> None:
    child = Child(_part(LIVES, directory, ready_after="hello"), directory)
    notices: asyncio.Queue[str] = asyncio.Queue()
    await child.start()
    keeper = asyncio.ensure_future(child.keep(notices.put_nowait))
    try:
        (before,) = read_records(directory.run)
        os.kill(before.pid, signal.SIGKILL)
        assert await notices.get() == "part was ended by SIGKILL; starting it again in 0.2 s"
        assert await notices.get() == "part answers again"
        (after,) = read_records(directory.run)
        assert (after.state, after.restarts) == ("running", 1)
        os.kill(after.pid, signal.SIGKILL)
        assert await notices.get() == "part was ended by SIGKILL; starting it again in 0.4 s"
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await child.stop()


async def test_a_part_that_ignores_the_signal_is_killed_with_its_helpers(
    directory: StackDirectory,
) -> None:
    part = _part(STUBBORN, directory, ready_after="hello", stop_seconds_max=0.2)
    child = Child(part, directory)
    await child.start()
    (record,) = read_records(directory.run)
    process = psutil.Process(record.pid)
    family = [process, *process.children()]
    assert len(family) == 2
    assert os.getsid(record.pid) == record.pid
    await child.stop()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert read_records(directory.run) == []


def _part(
    program: str, directory: StackDirectory, *, ready_after: str, stop_seconds_max: float = 15.0
) -> Part:
    """A Python program that is ready once its log has a certain line."""

    async def answers() -> bool:
        return ready_after in directory.log("part").read_text().splitlines()

    return Part(
        name="part",
        address="127.0.0.1:1",
        command=[sys.executable, "-c", program],
        answers=answers,
        stop_seconds_max=stop_seconds_max,
    )
