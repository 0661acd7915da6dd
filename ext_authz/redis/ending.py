"""Tasks that end when they are told to."""

from __future__ import annotations

import asyncio

# A second call is rarely needed, and never urgent.
_AGAIN_SECONDS = 0.1


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait for them, whatever they end with.

    Once is not enough: a library's `wait_for` swallows a cancellation that comes together with what
    it waited for (CPython issue 86296, in 3.11).
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_SECONDS)
    # Looked at, so that the loop does not complain of errors that nobody asked about.
    await asyncio.gather(*tasks, return_exceptions=True)
