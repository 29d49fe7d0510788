"""Members are chosen by held-out likelihood, within a budget."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.counting import count
from edgespike.errors import InputError, UnsupportedError
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.selection import MemberFigures, measure_members, select_members
from edgespike.trace import log_probabilities, predictions
from tests.ensembles import siblings
from tests.example_graphs import residual_graph, samples_for


def figures(seed: int, candidates: int, samples: int = 20, classes: int = 3) -> MemberFigures:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (candidates, samples, classes))
    each = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    labels = rng.integers(0, classes, samples)
    return MemberFigures(each, labels, rng.integers(1, 100, candidates).astype(float))


def brute_force(found: MemberFigures, members: int | None, budget: float | None) -> float:
    """Return the least negative log-likelihood, from plain probabilities."""
    count = len(found.operations)
    right = np.exp(found.log_probabilities)[:, np.arange(len(found.labels)), found.labels]
    return min(
        float(-np.log(right[list(each)].mean(axis=0)).mean())
        for size in range(1, count + 1)
        if members in (None, size)
        for each in combinations(range(count), size)
        if budget is None or found.operations[list(each)].sum() <= budget
    )


@given(st.integers(0, 10**6), st.integers(1, 5), st.data())
def test_few_subsets_are_all_tried(seed: int, candidates: int, data: st.DataObject) -> None:
    found = figures(seed, candidates)
    members = data.draw(st.none() | st.integers(1, candidates))
    least = np.sort(found.operations)[: members or 1].sum()
    budget = data.draw(st.none() | st.floats(least, found.operations.sum() + 1))
    score = select_members(found, members, budget)
    assert members in (None, len(score.members))
    assert budget is None or score.operations <= budget
    np.testing.assert_allclose(score.nll, brute_force(found, members, budget))
    assert score == found.score(score.members)


@pytest.mark.parametrize("members", [1, 3, 7, None])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_greedy_search_keeps_to_the_budget(
    monkeypatch: pytest.MonkeyPatch, members: int | None, share: float
) -> None:
    monkeypatch.setattr("edgespike.selection.MOST_SUBSETS", 0)
    found = figures(5, 8)
    cheapest = np.sort(found.operations)[: members or 1].sum()
    budget = cheapest + share * (found.operations.sum() - cheapest)
    score = select_members(found, members, budget)
    assert members in (None, len(score.members))
    assert score.operations <= budget
    assert list(score.members) == sorted(set(score.members))


def test_the_greedy_search_adds_the_best_member_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.selection.MOST_SUBSETS", 0)
    found = figures(9, 6)
    first = min(range(6), key=lambda one: found.score([one]).nll)
    pairs = [sorted((first, one)) for one in range(6) if one != first]
    assert list(select_members(found, 2).members) == min(pairs, key=lambda p: found.score(p).nll)


@pytest.mark.parametrize("most_subsets", [0, 2000], ids=["greedy", "all"])
@pytest.mark.parametrize("order", list(permutations([0.1, 0.2, 0.3])))
def test_a_budget_is_kept_to_the_last_digit_in_any_order(
    monkeypatch: pytest.MonkeyPatch, most_subsets: int, order: tuple[float, ...]
) -> None:
    """Added up from the left, these are 0.6 in one order and a little more in another."""
    monkeypatch.setattr("edgespike.selection.MOST_SUBSETS", most_subsets)
    found = replace(figures(0, 3), operations=np.array(order))
    assert select_members(found, 3, 0.6).operations == 0.6


@pytest.mark.parametrize(
    ("members", "budget", "named"),
    [
        (4, None, "members is 4; there are 3 to choose from"),
        (0, None, "members is 0; there are 3 to choose from"),
        (1, 0.0, "the budget is 0 operations per sample; the cheapest 1 need"),
        (3, 2.5, "the cheapest 3 need"),
        (None, float("nan"), "the budget is nan"),
    ],
)
def test_what_cannot_be_chosen_is_refused(members: Any, budget: Any, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        select_members(figures(0, 3), members, budget)


def test_figures_are_those_of_the_graphs_and_of_the_ensemble() -> None:
    members = siblings(residual_graph(), 3)
    samples = samples_for(members[0], 12)
    labels = np.arange(12) % 3
    done: list[tuple[str, int, int]] = []
    found = measure_members(members, samples, labels, lambda *progress: done.append(progress))
    assert done == [("members", each, 3) for each in range(4)]
    for graph, operations in zip(members, found.operations, strict=True):
        counts = count(graph, samples, interpret(graph, samples))
        assert operations == (counts.synaptic_operations() + counts.multiply_accumulates()) / 12
    merged = ensemble(members)
    accumulators = interpret(merged, samples).accumulators(merged)
    likely = log_probabilities(merged, accumulators)[np.arange(12), labels]
    score = found.score(range(3))
    np.testing.assert_allclose(score.nll, -likely.mean())
    assert score.accuracy == (predictions(merged, accumulators) == labels).mean()


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, -1, 0], [0, 1]])
def test_labels_must_be_classes(labels: list[int]) -> None:
    graph = residual_graph()
    with pytest.raises(InputError, match=r"one class for each of 3 samples, 0\.\.2"):
        measure_members([graph], samples_for(graph, 3), np.array(labels))
