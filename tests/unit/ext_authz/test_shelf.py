from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ext_authz.shelf import Shelf

_SIZE_MAX = 3
_STEPS = st.lists(st.tuples(st.sampled_from(["put", "forget"]), st.integers(0, 6)))


@given(steps=_STEPS)
def test_all_that_is_kept_can_be_forgotten_by_name(steps: list[tuple[str, int]]) -> None:
    shelf: Shelf[int] = Shelf(_SIZE_MAX)
    for verb, number in steps:
        if verb == "put":
            shelf.put(b"credential %d" % number, f"name {number}", number)
        else:
            shelf.forget(f"name {number}")
            assert b"credential %d" % number not in shelf.values
        assert len(shelf.values) <= _SIZE_MAX
    for number in range(7):
        shelf.forget(f"name {number}")
    assert not shelf.values


def test_the_oldest_goes_when_there_is_no_room() -> None:
    shelf: Shelf[int] = Shelf(2)
    for number in range(3):
        shelf.put(b"%d" % number, str(number), number)
    assert list(shelf.values) == [b"1", b"2"]
