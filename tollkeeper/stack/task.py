"""Something that is done once while the stack starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True)
class Task:
    title: str
    detail: str
    # Raises OperatorError when it cannot be done.
    start: Callable[[], Awaitable[None]]
