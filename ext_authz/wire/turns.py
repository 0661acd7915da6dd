"""Connections take turns: who has much to be read at once lets the others in between."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns:
    """One slice of work in each turn of the event loop, whoever it is of."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def contended(self) -> bool:
        return bool(self._waiting)

    def queue(self, go_on: Callable[[], None]) -> None:
        """Call it once it is its turn: those who came before are first."""
        self._waiting.append(go_on)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        go_on = self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._next)
        # May stand in the queue again when it is done.
        go_on()


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns_of_this_loop() -> Turns:
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns[loop] = Turns(loop)
    return _turns[loop]
