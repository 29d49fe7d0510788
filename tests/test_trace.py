"""What follows from accumulators: logits, classes, probabilities and uncertainties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgespike.graph import Dense, Graph, Input, Node, Readout
from edgespike.trace import (
    Trace,
    log_probabilities,
    member_logits,
    predictions,
    uncertainty,
)


def with_readout(scale: Any, members: int = 1) -> Graph:
    scale = np.asarray(scale, float)
    size = len(scale)
    nodes = (
        Node("x", Input((1,), 0, 1, 1.0)),
        Node("dense", Dense(np.ones((size, 1), int), np.zeros(size, int)), ("x",)),
        Node("out", Readout(scale, members=members), ("dense",)),
    )
    return Graph("readout", nodes)


PAIR = with_readout([1.0, 1.0, 0.5, 0.5], members=2)


def test_member_logits_are_row_major_with_a_scale_of_their_own() -> None:
    found = member_logits(PAIR, np.array([[1, 2, 3, 4], [0, 0, 8, 0]]))
    assert found.tolist() == [[[1, 2], [1.5, 2]], [[0, 0], [4, 0]]]


def test_probabilities_are_averaged_not_logits() -> None:
    """The mean logit is for class 0, which one member is sure of; the mean probability is not."""
    graph = with_readout(np.ones(9), members=3)
    accumulators = np.array([[40, 0, 0, 0, 2, 0, 0, 2, 0]])
    sure, doubtful = 1.0, 1 / (np.exp(2) + 2)
    mean = np.array([sure + 2 * doubtful, 2 * np.exp(2) * doubtful, 2 * doubtful]) / 3
    np.testing.assert_allclose(np.exp(log_probabilities(graph, accumulators))[0], mean, atol=1e-15)
    assert predictions(graph, accumulators).tolist() == [1]
    assert member_logits(graph, accumulators).mean(axis=1).argmax() == 0


def test_the_class_of_one_member_is_that_of_its_largest_logit() -> None:
    graph = with_readout([1.0, 0.1, 1.0])
    assert predictions(graph, np.array([[3, 29, 3], [2, 40, 3]])).tolist() == [0, 1]


def test_a_trace_has_the_classes_of_its_answers() -> None:
    graph = with_readout([1.0, 0.1, 1.0])
    steps = np.array([[[9, 0, 0], [3, 29, 3]], [[9, 0, 0], [2, 40, 3]]])
    assert Trace({"out": steps}).classes(graph).tolist() == [0, 1]
    both = Trace({"out": np.array([[[1, 2, 3, 4]], [[0, 0, 8, 0]]])})
    expected = predictions(PAIR, both.accumulators(PAIR))
    assert both.classes(PAIR).tolist() == expected.tolist() == [1, 0]


def test_members_that_agree_have_no_mutual_information() -> None:
    found = uncertainty(PAIR, np.array([[3, 1, 6, 2]]))
    p = 1 / (1 + np.exp(-2))
    np.testing.assert_allclose(found.entropy, -p * np.log(p) - (1 - p) * np.log(1 - p))
    np.testing.assert_allclose(found.mutual_information, 0, atol=1e-15)


def test_sure_members_that_disagree_have_nothing_else() -> None:
    found = uncertainty(PAIR, np.array([[10**6, 0, 0, 10**6]]))
    np.testing.assert_allclose(found.entropy, np.log(2))
    assert found.expected_entropy.tolist() == [0]
    np.testing.assert_allclose(found.mutual_information, np.log(2))


@given(
    hnp.arrays(np.int64, (4, 6), elements=st.integers(-(2**53), 2**53)),
    hnp.arrays(np.float64, 6, elements=st.floats(1e-20, 1e308)),
    st.sampled_from([1, 2, 3]),
)
def test_probabilities_and_entropies_are_finite_and_in_range(
    accumulators: Any, scale: Any, members: int
) -> None:
    graph = with_readout(scale, members)
    found = uncertainty(graph, accumulators)
    np.testing.assert_allclose(np.exp(log_probabilities(graph, accumulators)).sum(axis=1), 1)
    slack = 1e-9
    assert (found.expected_entropy >= -slack).all()
    assert (found.entropy >= found.expected_entropy - slack).all()
    assert (found.entropy <= np.log(6 // members) + slack).all()
    assert (found.mutual_information >= 0).all()
    assert (found.mutual_information <= np.log(members) + slack).all()


@pytest.mark.parametrize("members", [1, 2])
def test_equal_probabilities_give_the_first_class(members: int) -> None:
    graph = with_readout(np.ones(4), members)
    assert predictions(graph, np.full((1, 4), 7)).tolist() == [0]
