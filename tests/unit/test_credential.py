from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.credential import ALPHABET, LENGTH, PARTITIONS_MAX, mint, parse

KEY = mint("live", 17, random.Random(1).choice)


@given(
    environment=st.sampled_from(["live", "test"]),
    partition=st.integers(0, PARTITIONS_MAX - 1),
    seed=st.integers(),
)
def test_what_was_minted_parses_to_the_same(environment: str, partition: int, seed: int) -> None:
    key = mint(environment, partition, random.Random(seed).choice)  # type: ignore[arg-type]
    assert len(key.text) == LENGTH
    assert key.text.startswith(f"tk_{environment}_")
    assert parse(key.text) == key


@given(position=st.integers(0, LENGTH - 1), other=st.sampled_from(ALPHABET + "_-é "))
def test_one_wrong_character_is_noticed(position: int, other: str) -> None:
    garbled = KEY.text[:position] + other + KEY.text[position + 1 :]
    assert garbled == KEY.text or parse(garbled) is None


@pytest.mark.parametrize(
    "text",
    ["", "tk_live_", KEY.text[:-1], KEY.text + "0", KEY.text.upper(), f" {KEY.text}"],
)
def test_a_wrong_form_is_refused(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("partition", [-1, PARTITIONS_MAX])
def test_a_partition_that_does_not_fit_is_refused(partition: int) -> None:
    with pytest.raises(ValueError, match="partition must be 0 to 3843"):
        mint("live", partition)


def test_the_secret_stays_out_of_repr() -> None:
    assert KEY.text[8:-4] not in repr(KEY)
