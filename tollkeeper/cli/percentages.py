"""How much of what is included has been used, exactly."""

from __future__ import annotations

_HUNDREDTHS = 100


def percentage(used: int, included: int) -> int | float | None:
    """`used` in percent of `included`, to two decimals, halves up; None when nothing is included.

    Integers do the arithmetic; the result is the number that reads like the exact one.
    """
    if included <= 0:
        return None
    hundredths = (2 * used * 100 * _HUNDREDTHS + included) // (2 * included)
    whole, rest = divmod(hundredths, _HUNDREDTHS)
    return hundredths / _HUNDREDTHS if rest else whole


def has_reached(used: int, included: int, percent: int) -> bool:
    """Whether `used` is at least `percent` of `included`, without rounding."""
    return used * 100 >= included * percent
