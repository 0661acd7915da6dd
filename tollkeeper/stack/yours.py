"""A server of the user's own: not started, only asked."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.postgres import redacted
from tollkeeper.stack.task import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# It is said to run already; this much is for one that was started a moment ago.
_ANSWER_SECONDS_MAX = 5.0
_ANSWER_POLL_SECONDS = 0.2


def yours(name: str, url: str, answers: Callable[[str], Awaitable[bool]]) -> Task:
    """Wait for the server at `url`, and no longer than for one that is being started."""

    async def wait() -> None:
        deadline = time.monotonic() + _ANSWER_SECONDS_MAX
        while not await answers(url):
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"--{name}-url: nothing that accepts us answers at {redacted(url)} "
                    f"(waited {_ANSWER_SECONDS_MAX:g} s)"
                )
            await asyncio.sleep(_ANSWER_POLL_SECONDS)

    return Task(name, f"yours, {redacted(url)}", wait)
