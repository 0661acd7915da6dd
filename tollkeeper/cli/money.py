"""Money and unit prices, for people and for programs. Integers only: a float would round."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollkeeper.api.ledger.v1.money_pb2 import Money, UnitPrice

_SYMBOLS = {"USD": "$", "UAH": "₴", "EUR": "€"}
_MICRO_DIGITS = 6
_PICO_DIGITS = 12
_CENT_DIGITS = 2


def money_json(money: Money) -> dict[str, str | int]:
    return {"currency": money.currency, "micros": money.micros}


def price_json(price: UnitPrice) -> dict[str, str | int]:
    return {"currency": price.currency, "picos": price.picos}


def money_text(money: Money) -> str:
    """`$99.00`; more digits only where the amount has them."""
    return _amount(money.currency, money.micros, _MICRO_DIGITS)


def price_text(price: UnitPrice) -> str:
    """`$0.0005`"""
    return _amount(price.currency, price.picos, _PICO_DIGITS)


def _amount(currency: str, units: int, digits: int) -> str:
    major, minor = divmod(abs(units), 10**digits)
    fraction = f"{minor:0{digits}d}".rstrip("0").ljust(_CENT_DIGITS, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, f'{currency} ')}{major:,}.{fraction}"
