"""How much work without use a peer may cause: a token bucket that calls fill too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Allowance:
    def __init__(self, per_second: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._left = burst
        self._at = monotonic()

    def take(self, amount: float, earned: float) -> bool:
        """False when the peer has had more than its share. `earned` is added first."""
        now = self._monotonic()
        refill = (now - self._at) * self._per_second + earned
        self._left = min(self._burst, self._left + refill) - amount
        self._at = now
        return self._left >= 0
