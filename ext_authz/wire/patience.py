"""What a peer has begun and not finished, and since when."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Matter(Enum):
    """What is waited for; the value completes "the peer does not ..."."""

    GREETING = "greet"
    FRAME = "finish a frame"
    HEADER_BLOCK = "finish a header block"
    READING = "read what we write"
    LEAVING = "take its leave"


class Patience:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: dict[Matter, float] = {}

    def begin(self, matter: Matter) -> None:
        """Begin anew, if it was begun before."""
        self._since[matter] = self._monotonic()

    def end(self, matter: Matter) -> None:
        self._since.pop(matter, None)

    def overdue(self, before: float) -> Matter | None:
        """Any matter that was begun before that moment and has not ended."""
        return next((matter for matter, since in self._since.items() if since < before), None)
