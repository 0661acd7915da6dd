"""A part as a running process: started, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.part_failed import PartFailed, describe_exit
from tollkeeper.stack.run_record import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tollkeeper.stack.directory import StackDirectory
    from tollkeeper.stack.part import Part
    from tollkeeper.stack.run_record import State

# A start takes a second or two; a busy machine with a cold disk may need twenty.
_START_SECONDS_MAX = 60.0
_ANSWER_POLL_SECONDS = 0.05
_RESTART_DELAY_SECONDS_MIN = 0.2
# At this pace a part that cannot live costs little, and comes back soon once its cause is gone.
_RESTART_DELAY_SECONDS_MAX = 5.0
# Who lived this long is healthy, and its next death is a new story.
_HEALTHY_SECONDS = 10.0


class Child:
    """Runs a part in a session of its own, so that Ctrl-C reaches only its supervisor."""

    def __init__(self, part: Part, directory: StackDirectory, order: int = 0) -> None:
        self.part = part
        self._log = directory.log(part.name)
        self._run = directory.run
        self._order = order
        self._process: asyncio.subprocess.Process | None = None
        self._record: RunRecord | None = None
        self._started_at = 0.0
        self._log_start = 0

    @property
    def title(self) -> str:
        return self.part.name

    @property
    def detail(self) -> str:
        return self.part.address

    @property
    def started(self) -> bool:
        return self._process is not None

    async def start(self) -> None:
        """Return once the part answers. Raises PartFailed when it ends before, or takes too long.

        After a failed start, call `stop` as after a good one.
        """
        await self.part.prepare()
        await self._spawn(restarts=0)
        try:
            answers = await asyncio.wait_for(self._answers_before_it_ends(), _START_SECONDS_MAX)
        except TimeoutError:
            raise self._failed(f"does not answer after {_START_SECONDS_MAX:g} s") from None
        if not answers:
            raise self._failed(describe_exit(await self._until_it_ends()))

    async def keep(self, notice: Callable[[str], None]) -> None:
        """Restart the part whenever it ends, until cancelled; `notice` gets a line each time."""
        delay = _RESTART_DELAY_SECONDS_MIN
        while True:
            status = await self._until_it_ends()
            if time.monotonic() - self._started_at > _HEALTHY_SECONDS:
                delay = _RESTART_DELAY_SECONDS_MIN
            notice(f"{self.part.name} {describe_exit(status)}; starting it again in {delay:g} s")
            self._move_to("restarting")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _RESTART_DELAY_SECONDS_MAX)
            try:
                await self._spawn(restarts=self._record.restarts + 1 if self._record else 1)
            except OperatorError as error:
                notice(str(error))
                continue
            if await self._answers_before_it_ends():
                notice(f"{self.part.name} answers again")

    async def stop(self) -> None:
        """End the process, by force when it does not obey in time; harmless when none runs."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.part.before_stop(), self.part.stop_seconds_max)
            with suppress(ProcessLookupError):
                process.send_signal(self.part.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.part.stop_seconds_max)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        (self._run / f"{self.part.name}.json").unlink(missing_ok=True)

    async def _spawn(self, restarts: int) -> None:
        try:
            with self._log.open("ab") as log:
                self._log_start = log.tell()
                self._process = await asyncio.create_subprocess_exec(
                    *self.part.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self.part.environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise OperatorError(f"cannot start {self.part.command[0]}: {error}") from error
        self._started_at = time.monotonic()
        record = RunRecord.of(
            self._process.pid,
            name=self.part.name,
            address=self.part.address,
            order=self._order,
            stop_signal=self.part.stop_signal,
        )
        self._record = replace(record, restarts=restarts)
        self._record.write(self._run)

    async def _answers_before_it_ends(self) -> bool:
        answering = asyncio.ensure_future(self._until_it_answers())
        ended = asyncio.ensure_future(self._until_it_ends())
        try:
            await asyncio.wait({answering, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return False
            answering.result()
        finally:
            answering.cancel()
            ended.cancel()
        self._move_to("running")
        return True

    async def _until_it_answers(self) -> None:
        while not await self.part.answers():  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(_ANSWER_POLL_SECONDS)

    async def _until_it_ends(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.part.name} was never started")
        return await self._process.wait()

    def _move_to(self, state: State) -> None:
        if self._record is not None:
            self._record = replace(self._record, state=state)
            self._record.write(self._run)

    def _failed(self, how: str) -> PartFailed:
        return PartFailed(self.part.name, f"{how} while starting", self._log, self._log_start)
