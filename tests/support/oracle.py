"""What `admit.lua` must answer, in exact integers and without regard to speed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.frozen_gate import NEXT_PERIOD_END, PERIOD_END, PERIOD_START, TENANT

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

    def admit(self, now: int, units: int = 1) -> list[Any]:
        limits = self.limits
        head = [now, TENANT, "key_oracle", "standard"]

        bucket = limits.burst_interval * limits.burst_capacity
        empty = self.full_at < now or self.full_at > now + bucket
        full_at = (now if empty else self.full_at) + limits.burst_interval
        if full_at > now + bucket:
            wait = full_at - bucket - now
            return [
                "burst_exceeded",
                *head,
                wait,
                limits.burst_capacity,
                bucket,
                0,
                full_at - limits.burst_interval - now,
            ]
        burst = [
            limits.burst_capacity,
            bucket,
            (now + bucket - full_at) // limits.burst_interval,
            full_at - now,
        ]

        if self._rate_left(now) < MINUTE:
            return ["rate_exceeded", *head, self._rate_wait(now), *burst, limits.rate_per_minute, 0]
        rate_left = self._rate_left(now) // MINUTE - 1
        rate = [limits.rate_per_minute, rate_left]

        period, end = (
            (PERIOD_START, PERIOD_END) if now < PERIOD_END else (PERIOD_END, NEXT_PERIOD_END)
        )
        reserved, carried, used = (
            (self.reserved, self.carried, self.used) if self.period >= period else (0, 0, 0)
        )
        period = max(period, self.period)
        consumed = used + reserved - carried
        if limits.limit >= 0 and consumed + units > limits.limit:
            left = max(0, limits.included - consumed)
            return [
                "quota_exceeded",
                *head,
                end - now,
                *burst,
                *rate,
                limits.included,
                left,
                period,
                end,
            ]
        left = -1 if limits.included < 0 else max(0, limits.included - consumed - units)

        self.full_at = full_at
        window, _, count, previous = self._window(now)
        self.window, self.count, self.previous = window, count + 1, previous
        self.period, self.reserved, self.carried, self.used = (
            period,
            reserved + units,
            carried,
            used,
        )
        return ["allowed", *head, 0, *burst, *rate, limits.included, left, period, end]

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
