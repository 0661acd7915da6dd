"""Usage events: which are sound, which repeat another, and what they add up to."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from ledger.domain.period import start_of_period

if TYPE_CHECKING:
    from collections.abc import Iterable

# A trillion units in one call is a fault of the sender; millions of such calls still add up safely.
UNITS_MAX = 10**12
CORRECTION = "settlement"
_AHEAD_MAX = timedelta(days=1)
_TEXT_LENGTH_MAX = 128
# It helps people who search and decides nothing: too long a one is cut, not refused.
_REQUEST_ID_LENGTH_MAX = 256


class Outcome(StrEnum):
    RECORDED = "recorded"
    EXISTS = "exists"
    EXISTS_DIFFERENT = "exists_different"
    UNKNOWN_TENANT = "unknown_tenant"
    UNKNOWN_METRIC = "unknown_metric"
    INVALID = "invalid"


class UsageEvent(NamedTuple):
    tenant_id: str
    source: str
    id: str
    key_id: str
    metric: str
    units: int
    reserved_units: int
    occurred_at: datetime
    request_id: str
    unsettled: bool

    @property
    def identity(self) -> Identity:
        return Identity(self.tenant_id, self.source, self.id, self.occurred_at.date())

    @property
    def content(self) -> Content:
        return Content(self.metric, self.key_id, self.units)


class Identity(NamedTuple):
    """What an event is recorded under, at most once."""

    tenant_id: str
    source: str
    id: str
    occurred_on: date


class Content(NamedTuple):
    """What must be the same when an event comes again."""

    metric: str
    key_id: str
    units: int


def fault(event: UsageEvent, metrics: frozenset[str], now: datetime) -> Outcome | None:
    """What is wrong with an event as far as it tells by itself; None when it is sound."""
    texts = (event.tenant_id, event.source, event.id, event.metric)
    if not all(map(_sound, texts)) or (event.key_id and not _sound(event.key_id)):
        return Outcome.INVALID
    if not -UNITS_MAX <= event.units <= UNITS_MAX or not 0 <= event.reserved_units <= UNITS_MAX:
        return Outcome.INVALID
    if event.units < 0 and event.source != CORRECTION:
        return Outcome.INVALID
    if event.reserved_units > 0 and event.source == CORRECTION:
        return Outcome.INVALID
    if event.occurred_at > now + _AHEAD_MAX:
        return Outcome.INVALID
    return None if event.metric in metrics else Outcome.UNKNOWN_METRIC


def request_id(text: str) -> str:
    """What of a client's request id can be stored."""
    return text[:_REQUEST_ID_LENGTH_MAX].replace("\0", "")


def _sound(text: str) -> bool:
    # PostgreSQL stores no NUL.
    return 0 < len(text) <= _TEXT_LENGTH_MAX and "\0" not in text


class MinuteSum(NamedTuple):
    tenant_id: str
    metric: str
    minute: datetime
    units: int


class PeriodSum(NamedTuple):
    tenant_id: str
    metric: str
    period_start: datetime
    used_units: int
    carried_units: int


def sum_by_minute(events: Iterable[UsageEvent]) -> list[MinuteSum]:
    sums: dict[tuple[str, str, datetime], int] = {}
    for event in events:
        minute = event.occurred_at.replace(second=0, microsecond=0)
        key = (event.tenant_id, event.metric, minute)
        sums[key] = sums.get(key, 0) + event.units
    return [MinuteSum(*key, units) for key, units in sums.items()]


def sum_by_period(events: Iterable[UsageEvent]) -> list[PeriodSum]:
    sums: dict[tuple[str, str, datetime], tuple[int, int]] = {}
    for event in events:
        key = (event.tenant_id, event.metric, start_of_period(event.occurred_at))
        used, carried = sums.get(key, (0, 0))
        sums[key] = (used + event.units, carried + event.reserved_units)
    return [PeriodSum(*key, used, carried) for key, (used, carried) in sums.items()]
