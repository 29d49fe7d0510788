"""A function that never falls is proven to count thresholds from both sides of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.graph.tensor import Integers
from edgespike.targets.shared.thresholds import counts_thresholds

LOW, HIGH = -6, 6
VALUES = np.arange(LOW, HIGH + 1)


@pytest.mark.parametrize("missing", [0, 1])
@given(
    theta=st.lists(st.integers(LOW, HIGH + 1), min_size=1, max_size=4).map(sorted),
    wrong=st.dictionaries(st.sampled_from(range(len(VALUES))), st.integers(-2, 1), max_size=2),
)
def test_it_is_proven_just_where_it_holds_for_all_values(
    theta: list[int], wrong: dict[int, int], missing: int
) -> None:
    reached = (VALUES[:, None] >= np.array(theta)).sum(axis=1)
    table = reached.copy()
    for place, by in wrong.items():
        table[place] += by
    table.sort()

    def count(x: Integers) -> Integers:
        return np.asarray(table[x - LOW])

    cut = table.clip(0, len(theta))
    few, many = cut < reached - missing, cut > reached
    low, high = np.array([LOW]), np.array([HIGH])
    proven = counts_thresholds(count, np.array([theta]), low, high, missing=missing)
    assert proven.tolist() == [not (few | many).any()]
