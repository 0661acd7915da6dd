"""Moments on the wire and in Python."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.runtime.clock import to_micros

_MICROS = 1_000_000
_NANOS = 1_000_000_000
# The first moment of the year 9999: what comes after has no next month in Python.
_SECONDS_MAX = 253_370_764_800


def from_timestamp(timestamp: Timestamp) -> datetime | None:
    """In UTC; None when it is not a moment between 1970 and 9999."""
    if not 0 <= timestamp.seconds < _SECONDS_MAX or not 0 <= timestamp.nanos < _NANOS:
        return None
    # Whole seconds are exact in a float, the microseconds would not be.
    return datetime.fromtimestamp(timestamp.seconds, UTC).replace(
        microsecond=timestamp.nanos // 1_000
    )


def to_timestamp(moment: datetime) -> Timestamp:
    seconds, micros = divmod(to_micros(moment), _MICROS)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)
