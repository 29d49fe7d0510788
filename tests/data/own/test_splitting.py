"""Parts: about the wanted share of each class, no unit in two, equal on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.data.own.order import natural, shuffled
from edgespike.data.own.splitting import split


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.floats(0.01, 0.99),
    st.integers(0, 2**63 - 1),
)
def test_every_class_gets_its_share(counts: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    stay, taken = split(labels, None, len(counts), share, (seed,))
    assert sorted([*stay, *taken]) == list(range(len(labels)))
    for label, count in enumerate(counts):
        found = int((labels[taken] == label).sum())
        assert found == min(max(1, int(count * share + 0.5)), count - 1)


@settings(max_examples=40)
@given(st.data())
def test_no_unit_is_in_two_parts(data: st.DataObject) -> None:
    classes, count = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 40))
    numbers = st.lists(st.integers(0, 5), min_size=count, max_size=count)
    units = np.array(data.draw(numbers))
    labels = np.array(data.draw(numbers)) % classes
    stay, taken = split(labels, units, classes, data.draw(st.floats(0.05, 0.9)), (1,))
    assert sorted([*stay, *taken]) == list(range(count))
    assert not set(units[stay]) & set(units[taken])


@settings(max_examples=25)
@given(st.integers(2, 5), st.integers(2, 12), st.integers(0, 1000))
def test_classes_whose_units_are_their_own_are_in_both_parts(
    classes: int, each: int, seed: int
) -> None:
    labels = np.repeat(np.arange(classes), each * 3)
    units = np.repeat(np.arange(classes * each), 3)
    stay, taken = split(labels, units, classes, 0.2, (seed,))
    wanted = max(1, round(each * 0.2 - 1e-9)) * 3
    assert np.bincount(labels[taken], minlength=classes).tolist() == [wanted] * classes
    assert set(labels[stay]) == set(range(classes))


def test_people_who_do_everything_are_split_by_share() -> None:
    units = np.repeat(np.arange(10), 70)
    labels = np.tile(np.arange(7), 100)
    stay, taken = split(labels, units, 7, 0.2, (0,))
    assert len(set(units[taken])) == 2
    assert set(labels[taken]) == set(labels[stay]) == set(range(7))


def test_a_rare_class_is_in_both_parts_if_two_units_have_it() -> None:
    units = np.repeat(np.arange(8), 10)
    labels = np.zeros(80, np.int64)
    labels[[5, 75]] = 1
    for seed in range(20):
        stay, taken = split(labels, units, 2, 0.25, (seed,))
        assert 1 in labels[stay]
        assert 1 in labels[taken]


def test_a_large_share_leaves_something_of_every_class() -> None:
    units = np.repeat(np.arange(6), 10)
    labels = units % 3
    stay, taken = split(labels, units, 3, 0.95, (0,))
    assert set(labels[stay]) == set(labels[taken]) == {0, 1, 2}


def test_a_share_of_nothing_takes_nothing() -> None:
    stay, taken = split(labels := np.zeros(5, np.int64), labels, 1, 0.0, (0,))
    assert stay.tolist() == [0, 1, 2, 3, 4]
    assert taken.tolist() == []


def test_orders_stay_as_they_are() -> None:
    # Written down: another number means that other machines or versions split differently.
    assert shuffled(8, 0, 1).tolist() == ORDER
    assert shuffled(8, 0, 2).tolist() != ORDER
    assert sorted(shuffled(1000, 3)) == list(range(1000))


ORDER = [7, 4, 5, 1, 6, 2, 0, 3]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "9", "1", "0"], ["0", "1", "9", "10"]),
        (["b", "a10", "a9", ""], ["", "a9", "a10", "b"]),
        (["01", "1", "001"], ["001", "01", "1"]),
        (["1a", "a1"], ["1a", "a1"]),
    ],
)
def test_numbers_in_names_sort_as_numbers(names: list[str], expected: list[str]) -> None:
    assert sorted(names, key=natural) == expected
