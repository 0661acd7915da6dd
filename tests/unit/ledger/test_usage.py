from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.usage import (
    UNITS_MAX,
    MinuteSum,
    Outcome,
    PeriodSum,
    UsageEvent,
    fault,
    request_id,
    sum_by_minute,
    sum_by_period,
)

_NOW = datetime(2025, 11, 20, 10, 0, 30, tzinfo=UTC)
_SOUND = UsageEvent(
    tenant_id="tn_1",
    source="gate",
    id="c1",
    key_id="key_1",
    metric="api_calls",
    units=1,
    reserved_units=1,
    occurred_at=_NOW,
    request_id="",
    unsettled=False,
)
_METRICS = frozenset({"api_calls"})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"units": 0}, None),
        ({"key_id": ""}, None),
        ({"units": UNITS_MAX, "reserved_units": UNITS_MAX}, None),
        ({"occurred_at": _NOW + timedelta(days=1)}, None),
        ({"source": "settlement", "units": -UNITS_MAX, "reserved_units": 0}, None),
        ({"metric": "wishes"}, Outcome.UNKNOWN_METRIC),
        ({"units": UNITS_MAX + 1}, Outcome.INVALID),
        ({"units": -1}, Outcome.INVALID),
        ({"reserved_units": -1}, Outcome.INVALID),
        ({"reserved_units": UNITS_MAX + 1}, Outcome.INVALID),
        ({"source": "settlement", "units": -1, "reserved_units": 1}, Outcome.INVALID),
        ({"source": "settlement", "units": -UNITS_MAX - 1, "reserved_units": 0}, Outcome.INVALID),
        ({"occurred_at": _NOW + timedelta(days=1, microseconds=1)}, Outcome.INVALID),
        ({"id": ""}, Outcome.INVALID),
        ({"id": "x" * 129}, Outcome.INVALID),
        ({"id": "a\0"}, Outcome.INVALID),
        ({"source": ""}, Outcome.INVALID),
        ({"tenant_id": ""}, Outcome.INVALID),
        ({"metric": ""}, Outcome.INVALID),
        ({"key_id": "a\0"}, Outcome.INVALID),
    ],
)
def test_an_event_is_judged_by_itself(change: dict[str, object], expected: Outcome | None) -> None:
    event = _SOUND._replace(**change)  # type: ignore[arg-type]

    assert fault(event, _METRICS, _NOW) is expected


def test_a_request_id_is_cut_rather_than_refused() -> None:
    assert request_id("a\0b" + "x" * 1_000) == "ab" + "x" * 253


def test_events_add_up_by_minute_and_by_period() -> None:
    events = [
        _SOUND,
        _SOUND._replace(units=2, reserved_units=5, occurred_at=_NOW + timedelta(seconds=29)),
        _SOUND._replace(units=3, reserved_units=0, occurred_at=_NOW + timedelta(seconds=30)),
        _SOUND._replace(units=4, occurred_at=datetime(2025, 10, 31, 23, 59, 59, tzinfo=UTC)),
    ]
    minute = _NOW.replace(second=0)

    assert sum_by_minute(events) == [
        MinuteSum("tn_1", "api_calls", minute, 3),
        MinuteSum("tn_1", "api_calls", minute + timedelta(minutes=1), 3),
        MinuteSum("tn_1", "api_calls", datetime(2025, 10, 31, 23, 59, tzinfo=UTC), 4),
    ]
    assert sum_by_period(events) == [
        PeriodSum("tn_1", "api_calls", datetime(2025, 11, 1, tzinfo=UTC), 6, 6),
        PeriodSum("tn_1", "api_calls", datetime(2025, 10, 1, tzinfo=UTC), 4, 1),
    ]
