from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.service.timestamps import from_timestamp, to_timestamp


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2025, 11, 20, 10, 0, 30, 999_999, tzinfo=UTC),
        datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_a_moment_survives_the_wire_to_the_microsecond(moment: datetime) -> None:
    assert from_timestamp(to_timestamp(moment)) == moment


@pytest.mark.parametrize(
    "timestamp",
    [
        Timestamp(seconds=-1),
        Timestamp(seconds=253_370_764_800),
        Timestamp(seconds=2**63 - 1),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
    ],
)
def test_what_is_no_moment_is_none(timestamp: Timestamp) -> None:
    assert from_timestamp(timestamp) is None
