from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tollkeeper.cli.moments import (
    moment_json,
    moment_text,
    parse_expiry,
    parse_moment,
    to_timestamp,
)
from tollkeeper.runtime.errors import OperatorError

_NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-31", "2026-12-31T00:00:00Z"),
        ("2026-12-31T23:59", "2026-12-31T23:59:00Z"),
        ("2026-12-31T23:59:00Z", "2026-12-31T23:59:00Z"),
        ("2026-12-31T23:59:00+02:00", "2026-12-31T21:59:00Z"),
        (" 2026-12-31 ", "2026-12-31T00:00:00Z"),
        ("2026-12-31T00:00:00.000001Z", "2026-12-31T00:00:00.000001Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str, expected: str) -> None:
    assert moment_json(to_timestamp(parse_moment(text))) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-02-30", "1e9", "0001-01-01T00:00:00+10:00"]
)
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OperatorError, match="write 2026-12-31"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45m", "2026-11-20T15:15:00Z"),
        ("12h", "2026-11-21T02:30:00Z"),
        ("30d", "2026-12-20T14:30:00Z"),
        ("4w", "2026-12-18T14:30:00Z"),
        ("0d", "2026-11-20T14:30:00Z"),
        ("2027-01-01", "2027-01-01T00:00:00Z"),
    ],
)
def test_an_expiry_is_a_moment_or_a_duration_from_now(text: str, expected: str) -> None:
    assert moment_json(to_timestamp(parse_expiry(text, _NOW))) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 days", "1y", "999999w", "soon"])
def test_what_is_no_expiry_is_refused_with_examples(text: str) -> None:
    with pytest.raises(OperatorError, match="45m, 12h, 30d, 4w"):
        parse_expiry(text, _NOW)


def test_people_read_minutes() -> None:
    assert moment_text(to_timestamp(_NOW)) == "2026-11-20 14:30 UTC"
