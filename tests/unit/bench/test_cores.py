"""The load stays off the server's core as long as there are two."""

from __future__ import annotations

import pytest

from bench.cores import Cores, share_out


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [
        ([0], 1, Cores((0,), 0, (0,))),
        ([0, 1], 1, Cores((0,), 1, (1,))),
        ([0, 1, 2], 1, Cores((0,), 1, (2,))),
        ([2, 3, 6, 7], 1, Cores((2,), 3, (6, 7))),
        ([0, 1], 2, Cores((0, 1), 1, (1,))),
        ([0, 1, 2, 3], 2, Cores((0, 1), 2, (3,))),
    ],
)
def test_share_out(cores: list[int], workers: int, expected: Cores) -> None:
    assert share_out(cores, workers) == expected
