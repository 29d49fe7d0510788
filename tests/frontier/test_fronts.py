"""Fronts and matched costs against figures that are worked out by hand."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.errors import InputError
from edgespike.frontier.fronts import (
    Matched,
    below_unpenalised,
    common_accuracies,
    cost_at,
    coverage,
    front_of,
    matched,
    pareto,
)
from edgespike.frontier.series import COSTS, Results, read_results
from edgespike.frontier.summary import frontier_of
from edgespike.sweep.point import FIGURES

PLACES = st.lists(
    st.tuples(st.integers(0, 8).map(float), st.integers(0, 8).map(lambda n: n / 8)), min_size=1
)


def row(penalty: str, strength: float, seed: int, accuracy: float, cost: float) -> dict[str, Any]:
    return {
        **dict.fromkeys(FIGURES),
        "point": f"{penalty}-{strength}-{seed}",
        "penalty": penalty,
        "lambda": strength,
        "seed": seed,
        "epochs": 3,
        "accuracy": accuracy,
        "samples": 100,
        "synaptic_operations": cost,
        "operations": cost + 10,
        "energy_j": cost * 1e-9,
        "energy_model": "spikes",
        "energy_profile": "45nm",
        "verified": True,
        "inputs": "abc",
    }


ROWS = [
    row("a", 0, 1, 0.90, 400),
    row("a", 0, 2, 0.92, 440),
    row("a", 1, 1, 0.88, 200),
    row("a", 1, 2, 0.86, 220),
    row("a", 2, 1, 0.70, 300),  # beaten by strength 1
    row("a", 2, 2, 0.70, 300),
    row("b", 0, 1, 0.90, 400),
    row("b", 0, 2, 0.84, 400),
    row("b", 1, 1, 0.80, 100),
    row("b", 1, 2, 0.80, 100),
]


@pytest.fixture
def results() -> Results:
    return read_results(ROWS, "lambda")


def test_rows_become_series_of_levels_and_seeds(results: Results) -> None:
    assert [series.name for series in results.series] == ["a", "b"]
    first = results.series[0]
    assert [level.strength for level in first.levels] == [0, 1, 2]
    assert first.levels[0].accuracy.mean == pytest.approx(0.91)
    assert (first.levels[0].accuracy.low, first.levels[0].accuracy.high) == (0.90, 0.92)
    assert first.levels[0].cost("synaptic_operations").mean == 420
    assert results.costs == ("synaptic_operations", "operations", "energy_j")
    assert (results.samples, results.energy_by) == (100, "spikes with the constants of 45nm")


def test_nets_without_penalty_are_shared_by_all_penalties() -> None:
    free = [row("a", 0, 1, 0.90, 400), row("a", 0, 2, 0.92, 440)]
    rows = [*free, row("b", 1, 1, 0.8, 100), row("b", 1, 2, 0.8, 100), row("c", 2, 1, 0.7, 50)]
    series = read_results(rows, "lambda").series
    assert [each.name for each in series] == ["b", "c"]
    for each in series:
        assert each.levels[0].strength == 0
        assert [run.accuracy for run in each.levels[0].runs] == [0.90, 0.92]


def test_a_penalty_keeps_its_own_nets_of_strength_0() -> None:
    rows = [row("a", 0, 1, 0.90, 400), row("b", 0, 1, 0.80, 300), row("b", 0, 2, 0.70, 300)]
    rows += [row("a", 1, 1, 0.5, 1), row("b", 1, 1, 0.5, 1)]
    a, b = read_results(rows, "lambda").series
    assert {run.seed: run.accuracy for run in a.levels[0].runs} == {1: 0.90, 2: 0.70}
    assert {run.seed: run.accuracy for run in b.levels[0].runs} == {1: 0.80, 2: 0.70}


def test_nets_that_differ_in_more_than_the_penalty_are_not_shared() -> None:
    rows = [{**row("a", strength, 1, 0.9, 9), "epochs": 3 + strength} for strength in (0, 1)]
    levels = [[level.strength for level in s.levels] for s in read_results(rows, "lambda").series]
    assert levels == [[0], [1]]


def test_another_strength_of_0_is_a_net_of_its_series_only() -> None:
    rows = [{**row("a", 1, 1, 0.9, 9), "shift": 0}, {**row("b", 1, 1, 0.8, 9), "shift": 1}]
    levels = [[level.strength for level in s.levels] for s in read_results(rows, "shift").series]
    assert levels == [[0], [1]]


def test_accuracies_below_that_without_penalty() -> None:
    free = [row("a", 0, 1, 0.90, 400), row("a", 0, 2, 0.92, 440)]
    rows = [*free, row("b", 1, 1, 0.8, 100), row("c", 2, 1, 0.7, 50)]
    found = below_unpenalised(read_results(rows, "lambda"), (0.0, 0.01))
    assert found == pytest.approx((0.91, 0.90))


def with_baselines() -> list[dict[str, Any]]:
    """Return rows of a sweep, and of two nets that have no settings of its recipe."""
    free = [row("a", 0, 1, 0.90, 400), row("a", 0, 2, 0.92, 440)]
    rows = [*free, row("a", 1, 1, 0.8, 100), row("b", 1, 1, 0.8, 100)]
    for name, accuracy in (("float", 0.95), ("rates", 0.7)):
        other = {**row(name, 0, 1, accuracy, 900), "baseline": name}
        del other["penalty"]
        rows.append(other)
    return rows


def test_baselines_are_series_of_their_own_and_lack_the_settings_of_penalties() -> None:
    found = read_results(with_baselines(), "lambda")
    names = [(each.name, [level.strength for level in each.levels]) for each in found.series]
    assert names == [("a", [0, 1]), ("b", [0, 1]), ("float", [0]), ("rates", [0])]


def test_baselines_are_no_nets_without_penalty() -> None:
    """As with one sweep alone, its own nets without penalty are the reference."""
    rows = with_baselines()
    (alone,) = below_unpenalised(read_results(rows[:4], "lambda"), (0.0,))
    assert below_unpenalised(read_results(rows, "lambda"), (0.0,)) == (alone,)
    assert alone == pytest.approx(0.91)
    assert below_unpenalised(read_results(rows[:2], "lambda"), (0.0,)) == (alone,)


@pytest.mark.parametrize(
    ("rows", "below", "message"),
    [
        ([row("b", 1, 1, 0.8, 100)], 0.01, "no net has lambda = 0"),
        ([row("b", 0, 1, 0.8, 100)], 0.8, "the accuracy without penalty is 80.00%, and 0.8 below"),
    ],
)
def test_accuracies_that_cannot_be_below(
    rows: list[dict[str, Any]], below: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        below_unpenalised(read_results(rows, "lambda"), (below,))


def test_the_front_leaves_out_what_is_beaten(results: Results) -> None:
    front = front_of(results.series[0], "synaptic_operations")
    assert [level.strength for level in front] == [1, 0]


@given(PLACES)
def test_a_front_is_what_no_other_place_beats(places: list[tuple[float, float]]) -> None:
    front = pareto(places)

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and one[0] <= other[0] and one[1] >= other[1]

    best = {each for each in places if not any(beats(other, each) for other in places)}
    assert {places[at] for at in front} == best
    assert len(front) == len(best)
    assert [places[at] for at in front] == sorted(best)


@given(PLACES, st.integers(1, 80))
def test_a_cost_is_between_those_of_neighbours(
    places: list[tuple[float, float]], eightieth: int
) -> None:
    accuracy = eightieth / 80
    cost = cost_at(accuracy, places)
    best = max(accuracy for _, accuracy in places)
    assert math.isinf(cost) == (accuracy > best)
    if accuracy <= best:
        assert cost <= min(cost for cost, reached in places if reached >= accuracy)
        assert cost >= min(cost for cost, _ in places)


def test_costs_between_places_are_interpolated() -> None:
    places = [(100.0, 0.8), (200.0, 0.9), (150.0, 0.7)]
    assert cost_at(0.85, places) == pytest.approx(150)
    assert cost_at(0.9, places) == 200
    assert cost_at(0.5, places) == 100
    assert cost_at(0.91, places) == math.inf


def test_costs_at_an_accuracy_have_their_range_over_seeds(results: Results) -> None:
    first, second = results.series
    # Seed 1: between (200, 0.88) and (400, 0.90); seed 2: between (220, 0.86) and (440, 0.92).
    found = matched(first, "synaptic_operations", 0.89)
    assert [found.low, found.high] == pytest.approx([300, 330])
    assert found.typical == pytest.approx(315)
    assert (found.reached, found.seeds) == (2, 2)
    # Only seed 1 reaches it: between (100, 0.80) and (400, 0.90).
    found = matched(second, "synaptic_operations", 0.89)
    assert found == Matched(math.inf, found.low, math.inf, 1, 2)
    assert found.low == pytest.approx(370)


def test_the_usual_accuracies_are_reached_by_all(results: Results) -> None:
    assert common_accuracies(results) == pytest.approx((0.84, 0.83, 0.82))
    for series, accuracy in product(results.series, common_accuracies(results)):
        found = matched(series, "energy_j", accuracy)
        assert found.reached == found.seeds


def test_the_coverage_is_that_of_seeds_that_fall_on_both_sides_of_the_median() -> None:
    for seeds in range(1, 6):
        sides = list(product([False, True], repeat=seeds))
        both = sum(any(side) and not all(side) for side in sides)
        assert coverage(seeds) == both / len(sides)


def test_json_has_every_figure(results: Results) -> None:
    found = frontier_of(results, [0.89]).to_json()
    assert [series["seeds"] for series in found["series"]] == [2, 2]
    first, second = found["series"]
    assert first["fronts"]["synaptic_operations"] == [1, 0]
    assert first["levels"][0]["lambda"] == 0
    assert first["matched"][0]["synaptic_operations"]["typical"] == pytest.approx(315)
    assert second["matched"][0]["synaptic_operations"]["high"] is None
    assert "with a probability of 50%" in found["method"][-1]


def changed(place: int, **values: Any) -> list[dict[str, Any]]:
    return [{**each, **(values if at == place else {})} for at, each in enumerate(ROWS)]


def test_a_graph_that_differs_is_left_out() -> None:
    found = read_results(changed(9, verified=False), "lambda")
    assert found.left_out == 1
    assert [len(level.runs) for level in found.series[1].levels] == [2, 1]


def test_rows_without_energy_have_the_other_costs() -> None:
    none = {"energy_j": None, "energy_model": None, "energy_profile": None}
    found = read_results([{**each, **none} for each in ROWS], "lambda")
    assert found.costs == ("synaptic_operations", "operations")
    assert found.energy_by == ""


@pytest.mark.parametrize(
    ("rows", "along", "said"),
    [
        ([], "lambda", "there are no finished points"),
        ([{**each, "verified": False} for each in ROWS], "lambda", "of 10 points in all"),
        (ROWS, "p", "no setting p; name the one .*: penalty, lambda$"),
        (ROWS, "seed", "no setting seed; name the one .*: penalty, lambda$"),
        (ROWS, "accuracy", "no setting accuracy; name the one"),
        (ROWS, "penalty", "penalty of point a-0-1 is 'a', not a finite number"),
        ([*ROWS, {**ROWS[3], "point": "x"}], "lambda", "points a-1-2 and x have the same settings"),
        ([{**each, "samples": None} for each in ROWS], "lambda", "samples of point a-0-1 is None"),
        ([{**each, "samples": "9"} for each in ROWS], "lambda", "samples of point a-0-1 is '9'"),
        ([{**each, "inputs": None} for each in ROWS], "lambda", "inputs of point a-0-1 is None"),
        ([{**each, "energy_profile": None} for each in ROWS], "lambda", "energy_profile of point"),
        ([{**each, **dict.fromkeys(COSTS)} for each in ROWS], "lambda", "nothing to set accuracy"),
        (changed(3, accuracy=1.5), "lambda", "accuracy of point a-1-2 is 1.5, not .* from 0 to 1"),
        (changed(3, accuracy=True), "lambda", "accuracy of point a-1-2 is True"),
        (changed(3, operations=10**400), "lambda", "operations of point a-1-2 is 1000"),
        (changed(3, **{"lambda": math.nan}), "lambda", "lambda of point a-1-2 is nan"),
        (changed(3, **{"lambda": None}), "lambda", "lambda of point a-1-2 is None"),
        (changed(3, inputs="x"), "lambda", "counted on other samples"),
        (changed(3, samples=7), "lambda", "counted on other samples"),
        (changed(3, energy_model="x"), "lambda", "energies are by other models"),
        (changed(3, accuracy=None), "lambda", "accuracy of point a-1-2 is None"),
        (changed(3, operations=float("nan")), "lambda", "operations of point a-1-2 is nan"),
        (
            changed(3, **{"lambda": "x"}),
            "lambda",
            "lambda of point a-1-2 is 'x', not a finite number",
        ),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(rows: Any, along: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_results(rows, along)


def test_a_setting_that_older_rows_lack_does_not_tell_series_apart() -> None:
    rows = [{**each, **({"newer": 1} if at > 2 else {})} for at, each in enumerate(ROWS)]
    assert [each.name for each in read_results(rows, "lambda").series] == ["a", "b"]
    rows[-1] = {**rows[-1], "newer": 2}
    assert len(read_results(rows, "lambda").series) > 2
