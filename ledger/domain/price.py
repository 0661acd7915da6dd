"""Money and prices as whole numbers, read from text, never by way of a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_MICROS = 10**6
_PICOS = 10**12
# What fits in 64 bits with picos, and more than anybody asks for a unit or a month.
_AMOUNT_MAX = 9_000_000
_PRICE = re.compile(
    r"(?P<amount>[0-9]+(\.[0-9]+)?) (?P<currency>[A-Z]{3})( per (?P<units>[1-9][0-9_]*))?", re.ASCII
)


@dataclass(frozen=True)
class Money:
    currency: str
    micros: int
    """Millionths of the major unit."""


@dataclass(frozen=True)
class UnitPrice:
    currency: str
    picos: int
    """10^-12 of the major unit."""


def parse_money(text: str) -> Money:
    """12.50 USD. Raises ValueError with what is wrong."""
    match = _PRICE.fullmatch(text)
    if match is None or match["units"] is not None:
        raise ValueError("must be an amount and a currency, like 99 USD")
    return Money(match["currency"], _scaled(Fraction(match["amount"]), _MICROS))


def parse_unit_price(text: str) -> UnitPrice:
    """0.01 USD, or 0.01 USD per 1000. Raises ValueError with what is wrong."""
    match = _PRICE.fullmatch(text)
    if match is None:
        raise ValueError("must be a price, like 0.10 USD or 0.01 USD per 1000")
    price = Fraction(match["amount"]) / int(match["units"] or 1)
    return UnitPrice(match["currency"], _scaled(price, _PICOS))


def _scaled(amount: Fraction, scale: int) -> int:
    scaled = amount * scale
    if amount > _AMOUNT_MAX:
        raise ValueError(f"must be at most {_AMOUNT_MAX}")
    if scaled.denominator != 1:
        raise ValueError(f"is finer than a {scale:,}th of the currency, hence not exact")
    return scaled.numerator
