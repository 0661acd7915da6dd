"""Billing periods: calendar months in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, order=True)
class Period:
    start: datetime
    end: datetime
    """Exclusive."""


def period_of(moment: datetime) -> Period:
    """The period that holds `moment`."""
    start = start_of_period(moment)
    # 32 days from the first of a month always lie in the next one.
    return Period(start, start_of_period(start + timedelta(days=32)))


def start_of_period(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return datetime(utc.year, utc.month, 1, tzinfo=UTC)


def next_period(period: Period) -> Period:
    return period_of(period.end)


def previous_period(period: Period) -> Period:
    return period_of(period.start - timedelta(days=1))
