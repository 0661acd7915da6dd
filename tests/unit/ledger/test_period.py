from __future__ import annotations

from datetime import datetime

import pytest

from ledger.domain.period import next_period, period_of, previous_period


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2025-11-01T00:00:00+00:00", "2025-11-01", "2025-12-01"),
        ("2025-11-30T23:59:59.999999+00:00", "2025-11-01", "2025-12-01"),
        ("2025-12-31T23:59:59+00:00", "2025-12-01", "2026-01-01"),
        ("2024-02-29T12:00:00+00:00", "2024-02-01", "2024-03-01"),
        ("2025-12-01T01:30:00+02:00", "2025-11-01", "2025-12-01"),
    ],
)
def test_a_period_is_a_calendar_month_in_utc(moment: str, start: str, end: str) -> None:
    period = period_of(datetime.fromisoformat(moment))

    assert period.start == datetime.fromisoformat(f"{start}T00:00:00+00:00")
    assert period.end == datetime.fromisoformat(f"{end}T00:00:00+00:00")
    assert previous_period(next_period(period)) == period
    assert next_period(period).start == period.end
