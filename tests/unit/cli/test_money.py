from __future__ import annotations

import pytest

from tollkeeper.api.ledger.v1.money_pb2 import Money, UnitPrice
from tollkeeper.cli.money import money_json, money_text, price_json, price_text


@pytest.mark.parametrize(
    ("currency", "micros", "expected"),
    [
        ("USD", 99_000_000, "$99.00"),
        ("USD", 0, "$0.00"),
        ("USD", 1_500_000, "$1.50"),
        ("USD", 1_234_567_890_000, "$1,234,567.89"),
        ("USD", 1, "$0.000001"),
        ("USD", -1_500_000, "-$1.50"),
        ("UAH", 10_000_000, "₴10.00"),
        ("CHF", 10_000_000, "CHF 10.00"),
        ("USD", 2**63 - 1, "$9,223,372,036,854.775807"),
    ],
)
def test_money_for_people(currency: str, micros: int, expected: str) -> None:
    assert money_text(Money(currency=currency, micros=micros)) == expected


@pytest.mark.parametrize(
    ("picos", "expected"),
    [
        (5_000_000_000_000, "$5.00"),
        (100_000_000_000, "$0.10"),
        (10_000_000, "$0.00001"),
        (500_000, "$0.0000005"),
        (1, "$0.000000000001"),
    ],
)
def test_a_unit_price_shows_every_digit_it_has(picos: int, expected: str) -> None:
    assert price_text(UnitPrice(currency="USD", picos=picos)) == expected


def test_programs_get_integers() -> None:
    assert money_json(Money(currency="USD", micros=99_000_000)) == {
        "currency": "USD",
        "micros": 99_000_000,
    }
    assert price_json(UnitPrice(currency="USD", picos=500_000)) == {
        "currency": "USD",
        "picos": 500_000,
    }
