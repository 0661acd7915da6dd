from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.cli.percentages import has_reached, percentage

_BIGINT_MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("used", "included", "expected"),
    [
        (0, 1_000, "0"),
        (1, 1_000, "0.1"),
        (850, 1_000, "85"),
        (1_000, 1_000, "100"),
        (1_234, 1_000, "123.4"),
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (29, 100_000, "0.03"),
        (1, 20_000, "0.01"),
        (1, 20_001, "0"),
        (-5, 1_000, "-0.5"),
        (_BIGINT_MAX, _BIGINT_MAX, "100"),
        (_BIGINT_MAX - 1, _BIGINT_MAX, "100"),
        (5, 0, "null"),
        (0, 0, "null"),
    ],
)
def test_percentage_in_json(used: int, included: int, expected: str) -> None:
    written = orjson.dumps(percentage(used, included)).decode()

    assert written.removesuffix(".0") == expected


@given(used=st.integers(0, 10**12), included=st.integers(1, 10**12))
def test_a_percentage_is_within_half_a_hundredth_of_the_exact_one(used: int, included: int) -> None:
    share = percentage(used, included)
    assert share is not None

    hundredths = round(share * 100)
    assert abs(hundredths * included - used * 10_000) * 2 <= included
    assert len(repr(share).partition(".")[2]) <= 2 or "e" in repr(share)


@pytest.mark.parametrize(
    ("used", "included", "percent", "reached"),
    [
        (799, 1_000, 80, False),
        (800, 1_000, 80, True),
        (2, 3, 66, True),
        (2, 3, 67, False),
        (_BIGINT_MAX - 1, _BIGINT_MAX, 100, False),
        (_BIGINT_MAX, _BIGINT_MAX, 100, True),
    ],
)
def test_a_threshold_is_reached_without_rounding(
    used: int, included: int, percent: int, *, reached: bool
) -> None:
    assert has_reached(used, included, percent) is reached
