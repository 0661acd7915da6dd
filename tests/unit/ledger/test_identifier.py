from __future__ import annotations

from collections import Counter
from random import Random

from ledger.domain.identifier import new_identifier, partition_of


def test_an_identifier_is_its_prefix_and_twenty_chosen_characters() -> None:
    assert new_identifier("tn", lambda alphabet: alphabet[0]) == "tn_" + "0" * 20


def test_tenants_spread_evenly_over_the_partitions() -> None:
    choice = Random(1).choice

    counts = Counter(partition_of(new_identifier("tn", choice), 16) for _ in range(16_000))

    assert set(counts) == set(range(16))
    assert all(850 < count < 1_150 for count in counts.values())
