"""Starts the stack stage by stage, keeps it running, and ends it in reverse."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tollkeeper.stack.child import Child
from tollkeeper.stack.progress import step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tollkeeper.stack.progress import Progress
    from tollkeeper.stack.task import Task


class Supervisor:
    """The members of a stage start together; a stage starts when the one before it is ready."""

    def __init__(self, stages: Sequence[Sequence[Child | Task]], progress: Progress) -> None:
        self._stages = stages
        self._progress = progress
        self._keepers: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event, announce: Callable[[], Awaitable[None]]) -> None:
        """Return when `stop` is set and everything has ended; `announce` once all is ready.

        Raises OperatorError, with everything ended, when a part does not start.
        """
        try:
            if await self._started_before(stop):
                await announce()
                await self._watch(stop)
        finally:
            await self._end()

    async def _started_before(self, stop: asyncio.Event) -> bool:
        starting = asyncio.ensure_future(self._start())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return False
            starting.result()
            return True
        finally:
            stopping.cancel()
            starting.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await starting

    async def _start(self) -> None:
        for stage in self._stages:
            starting = [asyncio.ensure_future(self._start_one(member)) for member in stage]
            try:
                await asyncio.gather(*starting)
            finally:
                for other in starting:
                    other.cancel()
                await asyncio.gather(*starting, return_exceptions=True)

    async def _start_one(self, member: Child | Task) -> None:
        with step(self._progress, member.title, member.detail):
            await member.start()
        if isinstance(member, Child):
            self._keepers.append(asyncio.ensure_future(member.keep(self._progress.note)))

    async def _watch(self, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        ended, _ = await asyncio.wait(
            {stopping, *self._keepers}, return_when=asyncio.FIRST_COMPLETED
        )
        for task in ended:
            task.result()

    async def _end(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        failures: list[BaseException] = []
        for stage in reversed(self._stages):
            children = [member for member in stage if isinstance(member, Child)]
            ended = await asyncio.gather(*map(self._end_one, children), return_exceptions=True)
            failures.extend(outcome for outcome in ended if outcome is not None)
        # Only now: one that cannot be ended must not keep the others.
        for failure in failures:
            raise failure

    async def _end_one(self, child: Child) -> None:
        if child.started:
            with step(self._progress, f"stop {child.title}"):
                await child.stop()
