"""A part of the stack: a program, how to run it, and how to tell that it is ready."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Part:
    name: str
    # `HOST:PORT`, for people.
    address: str
    command: list[str]
    # True once the part does its work. May be called from the start on, and often.
    answers: Callable[[], Awaitable[bool]]
    # Added to our own environment.
    environment: dict[str, str] = field(default_factory=dict)
    # Before the first start: what must lie on disk.
    prepare: Callable[[], Awaitable[None]] = _nothing
    # Before the stop signal: finish what is under way.
    before_stop: Callable[[], Awaitable[None]] = _nothing
    stop_signal: signal.Signals = signal.SIGTERM
    # Then it is killed. Services drain for 10 s at most, so this is past it.
    stop_seconds_max: float = 15.0
