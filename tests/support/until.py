"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Long enough to miss no deadline of a tenth of a second, short enough to leave the core alone.
_POLL_SECONDS = 0.02


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The first true value of `condition`. Fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {value!r}")
        time.sleep(_POLL_SECONDS)
