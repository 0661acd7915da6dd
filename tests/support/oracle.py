"""What `admit.lua` must answer, in exact integers and without regard to speed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.frozen_gate import NEXT_PERIOD_END, PERIOD_END, PERIOD_START

if TYPE_CHECKING:
    from tests.support.frozen_gate import Limits

MINUTE = 60_000_000


@dataclass
class Oracle:
    """One tenant with one metric."""

    limits: Limits
    full_at: int = 0
    window: int = 0
    count: int = 0
    previous: int = 0
    period: int = 0
    reserved: int = 0
    carried: int = 0
    used: int = 0

    def admit(self, now: int, units: int = 1) -> list[int]:
        """The reply: outcome, now, wait, burst full after, rate left, units used."""
        limits = self.limits
        bucket = limits.burst_interval * limits.burst_capacity
        empty = self.full_at < now or self.full_at > now + bucket
        full_at = (now if empty else self.full_at) + limits.burst_interval
        if full_at > now + bucket:
            return [1, now, full_at - bucket - now, full_at - limits.burst_interval - now]
        if self._rate_left(now) < MINUTE:
            return [2, now, self._rate_wait(now), full_at - now]
        rate_left = self._rate_left(now) // MINUTE - 1

        period, end = (
            (PERIOD_START, PERIOD_END) if now < PERIOD_END else (PERIOD_END, NEXT_PERIOD_END)
        )
        reserved, carried, used = (
            (self.reserved, self.carried, self.used) if self.period >= period else (0, 0, 0)
        )
        consumed = used + reserved - carried
        if limits.limit >= 0 and consumed + units > limits.limit:
            return [3, now, end - now, full_at - now, rate_left, consumed]

        self.full_at = full_at
        window, _, count, previous = self._window(now)
        self.window, self.count, self.previous = window, count + 1, previous
        self.period = max(period, self.period)
        self.reserved, self.carried, self.used = reserved + units, carried, used
        return [0, now, 0, full_at - now, rate_left, consumed + units]

    def settle(self, used: int, carried: int, period: int) -> bool:
        if period < self.period:
            return False
        reserved = self.reserved if period == self.period else 0
        self.period, self.reserved, self.carried, self.used = (
            period,
            max(reserved, carried),
            carried,
            used,
        )
        return True

    def _window(self, now: int) -> tuple[int, int, int, int]:
        """The minute, how far into it, calls in it and in the one before."""
        window, elapsed = divmod(now, MINUTE)
        if self.window == window + 1:
            window, elapsed = self.window, 0
        if self.window == window:
            return window, elapsed, self.count, self.previous
        return window, elapsed, 0, self.count if self.window == window - 1 else 0

    def _rate_left(self, now: int) -> int:
        """How many calls fit into the sliding minute, in calls times microseconds."""
        _, elapsed, count, previous = self._window(now)
        used = previous * (MINUTE - elapsed) + count * MINUTE
        return self.limits.rate_per_minute * MINUTE - used

    def _rate_wait(self, now: int) -> int:
        """The first microsecond at which a call would fit, by bisection rather than by formula."""
        low, high = 0, 4 * MINUTE
        while high - low > 1:
            middle = (low + high) // 2
            if self._rate_left(now + middle) >= MINUTE:
                high = middle
            else:
                low = middle
        return high
