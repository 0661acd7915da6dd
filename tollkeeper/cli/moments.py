"""Moments as people type them and as programs read them; always UTC in what we print."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.runtime.errors import OperatorError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[mhdw])")


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or time; without an offset it is UTC. Raises OperatorError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        # An offset may carry year 1 or 9999 out of the calendar.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise OperatorError(
            f"{text!r} is no date or time: write 2026-12-31 or 2026-12-31T23:59:00+02:00"
        ) from error


def parse_expiry(text: str, now: datetime) -> datetime:
    """A moment, or how far it is from `now`: `45m`, `12h`, `30d`, `4w`. Raises OperatorError."""
    match = _DURATION.fullmatch(text.strip())
    try:
        if match:
            return now + timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
        expiry = parse_moment(text)
    except (OperatorError, OverflowError) as error:
        raise OperatorError(
            f"--expires {text!r}: write a time like 2026-12-31T23:59:00Z, or how long the key "
            "lives: 45m, 12h, 30d, 4w"
        ) from error
    return expiry


def to_timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def moment_json(stamp: Timestamp) -> str:
    """`2026-11-20T14:30:00Z`, with microseconds where there are any."""
    return stamp.ToDatetime(UTC).isoformat().replace("+00:00", "Z")


def moment_text(stamp: Timestamp) -> str:
    """`2026-11-20 14:30 UTC`"""
    return f"{stamp.ToDatetime(UTC):%Y-%m-%d %H:%M} UTC"
