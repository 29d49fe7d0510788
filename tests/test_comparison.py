"""Comparing models: what may stand side by side, what is proven, which layers correspond."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.comparison import (
    ComparisonError,
    Energy,
    Figures,
    LayerFigures,
    compare_figures,
    figures_of,
    overlap,
    read_figures,
    run_figures,
)
from edgespike.comparison.constants import difference
from edgespike.comparison.layers import layer_rows
from edgespike.comparison.running import samples_hash
from edgespike.comparison.statistics import mcnemar, sign_test, wilson
from edgespike.energy import Interval, load_profile
from edgespike.errors import FileFormatError, InputError
from edgespike.graph import Dense, Graph, Input, Node, Readout, Threshold
from tests.example_graphs import membrane_graph, residual_graph, samples_for

LABELS = np.array([0, 1, 2, 0, 1, 2])


def small(width: int, weight: int) -> Graph:
    """Return a dense net with one hidden layer of spiking neurons: 4 inputs, 3 classes."""
    out = np.random.default_rng(width).integers(-3, 4, (3, width))
    return Graph(
        "small",
        (
            Node("input", Input((4,), 0, 1, 1.0)),
            Node("hidden", Dense(np.full((width, 4), weight), np.zeros(width, int)), ("input",)),
            Node("spikes", Threshold(np.full((width, 1), 2), np.ones(width, bool)), ("hidden",)),
            Node("dense", Dense(out, np.zeros(3, int)), ("spikes",)),
            Node("out", Readout(np.ones(3)), ("dense",)),
        ),
    )


def bits(samples: int = 6) -> Any:
    return np.random.default_rng(3).integers(0, 2, (samples, 4), dtype=np.uint8)


def energy(low: float, high: float, **changed: Any) -> Energy:
    middle = (low + high) / 2
    row = Energy("m", "p", "quantised", "E = c", Interval(low, middle, high), memory=True)
    return replace(row, **changed)


def figures(name: str = "a", *energies: Energy, **changed: Any) -> Figures:
    made = Figures(name, "hash", 10, 100, 20, 7, 7, 99, energies, "m", (), inputs="same")
    return replace(made, **changed)


def test_counts_are_those_of_the_count() -> None:
    first, second = small(3, 1), small(8, 1)
    found = edgespike.compare([first, second], bits(), LABELS)
    for at, graph in enumerate((first, second)):
        counts = edgespike.count(graph, bits())
        for key, total in (
            ("synaptic_operations_per_sample", counts.synaptic_operations()),
            ("multiply_accumulates_per_sample", counts.multiply_accumulates()),
        ):
            row = found.row(key)
            assert row is not None
            assert row.values[at] == Fraction(total, 6)
    weights = found.row("weights")
    assert weights is not None
    assert weights.values == (12 + 9, 32 + 24)
    assert (weights.best, weights.ratio(1)) == (0, 56 / 21)


def test_energies_are_those_of_the_report() -> None:
    graphs = [small(3, 1), small(8, 1)]
    found = edgespike.compare(graphs, bits(), model="int8-operations", profile="45nm")
    for graph, each in zip(graphs, found.energies, strict=True):
        report = edgespike.estimate_energy(graph, bits(), profiles=["45nm"])
        (row,) = (row for row in report.estimates if row.model.name == "int8-operations")
        assert each == row.energy / 6


def test_a_saved_report_gives_the_figures_of_its_graph(tmp_path: Path) -> None:
    graph, path = small(3, 1), tmp_path / "report.json"
    report = edgespike.estimate_energy(graph, bits())
    path.write_text(json.dumps(report.to_json()))
    run, read = run_figures("x", graph, bits()), read_figures(path)
    unlike: Any = {"name": "", "inputs": "", "from_report": False}
    assert replace(read, **unlike) == replace(run, **unlike)
    assert edgespike.compare([path, graph], bits()).models[0].from_report


def test_a_graph_costs_the_same_as_itself() -> None:
    found = edgespike.compare([small(3, 1), small(3, 1)], bits(), LABELS)
    assert all(row.best is None for row in found.rows)
    assert {row.ratio(1) for row in found.rows} <= {1.0, None}
    (test,) = found.tests
    assert test is not None
    assert (test.only_first, test.only_second, test.p_value) == (0, 0, 1.0)


def test_samples_that_differ_are_refused() -> None:
    with pytest.raises(ComparisonError, match="b is of other samples than a"):
        compare_figures([figures("a"), figures("b", inputs="other")])
    with pytest.raises(ComparisonError, match="b is of 9 samples, a of 10"):
        compare_figures([figures("a"), figures("b", samples=9)])


def test_the_samples_of_a_report_are_not_checked_where_it_does_not_say() -> None:
    assert compare_figures([figures("a"), figures("b", inputs="")]).models[1].inputs == ""


def test_samples_count_as_the_same_whatever_the_steps_that_show_them() -> None:
    one, four = membrane_graph(1), membrane_graph(4)
    samples = samples_for(one, 3)[:, 0]
    assert samples_hash(one, samples) == samples_hash(four, samples)
    assert samples_hash(one, samples) != samples_hash(one, samples[::-1])


def test_graphs_of_other_inputs_are_refused() -> None:
    with pytest.raises(ComparisonError, match="takes inputs of shape"):
        edgespike.compare([small(3, 1), residual_graph()], bits())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"convention": "every"}, "m of b is by convention 'every'"),
        ({"formula": "E = 2 c"}, "'E = 2 c'"),
        ({"model": "n"}, r"no model and profile is common to all.*\n.*a has m \(p\)"),
        ({"profile": "q"}, "no model and profile is common to all"),
    ],
)
def test_energies_by_other_models_or_conventions_are_refused(
    changed: dict[str, Any], message: str
) -> None:
    models = [figures("a", energy(1, 2)), figures("b", energy(1, 2, **changed))]
    with pytest.raises(ComparisonError, match=message):
        compare_figures(models)


def test_an_energy_that_is_not_there_is_an_error() -> None:
    models = [figures("a", energy(1, 2)), figures("b", energy(1, 2))]
    with pytest.raises(InputError, match="not every model has an energy by model 'n'"):
        compare_figures(models, "n")


def test_the_headline_is_compared_unless_its_target_refuses_a_graph() -> None:
    chip = energy(1, 2, model="chip", target="loihi", memory=False)
    plain, memory = energy(3, 4, model="plain", memory=False), energy(5, 6, model="memory")
    first = figures("a", chip, plain, memory, headline="chip")
    refused = figures("b", replace(chip, refused=True), plain, memory, headline="none")
    assert compare_figures([first, first]).energy == chip
    assert compare_figures([first, refused]).energy == memory


@pytest.mark.parametrize(
    ("ranges", "overlapping"),
    [
        ([(1, 2), (3, 4)], False),
        ([(1, 2), (2, 3)], True),
        ([(1, 9), (2, 3)], True),
        ([(5, 6), (1, 2), (3, 4)], False),
        ([(5, 6), (1, 2), (2, 4)], True),
    ],
)
def test_ranges_overlap_if_any_two_do(ranges: list[tuple[float, float]], overlapping: bool) -> None:
    assert overlap([Interval(low, low, high) for low, high in ranges]) is overlapping


@pytest.mark.parametrize(("high", "proven"), [(2.9, True), (3.0, False), (5.0, False)])
def test_a_lower_energy_is_proven_only_below_the_other_range(high: float, proven: bool) -> None:
    found = compare_figures([figures("a", energy(3, 6)), figures("b", energy(1, high))])
    row = found.row("energy_per_sample_j")
    assert row is not None
    assert (row.best, row.proven) == (1, proven)


PARTS = {"add": Interval(1, 2, 3), "read": Interval(5, 5, 50), "write": Interval(2, 2, 2)}


def charged(**times: int) -> Energy:
    """Return an energy that charges these constants so many times."""
    parts = {name: (float(number), PARTS[name]) for name, number in times.items()}
    total = sum((each * number for number, each in parts.values()), start=Interval())
    return energy(0, 0, energy=total, charged=parts)


def test_what_an_estimate_charges_adds_up_to_it() -> None:
    report = edgespike.estimate_energy(small(3, 1), bits(), profiles=["all"])
    for row in report.estimates:
        if row.profile.board is not None:  # its ranges are multiplied, not added
            continue
        parts = (row.profile.constants[name].energy * n for name, n in row.charged.items())
        total = sum(parts, start=Interval())
        for end in ("low", "typical", "high"):
            assert getattr(total, end) == pytest.approx(getattr(row.energy, end), rel=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        (charged(add=10, read=4), charged(add=10, read=5), (5, 50)),
        (charged(add=10, read=4), charged(add=11, read=4), (1, 3)),
        (charged(add=10, read=4), charged(add=2, read=5), (5 - 24, 50 - 8)),
        (charged(add=10), charged(write=4), (8 - 30, 8 - 10)),
        (charged(add=10), charged(add=10), (0, 0)),
    ],
)
def test_of_a_shared_constant_only_the_difference_of_counts_matters(
    first: Energy, second: Energy, ends: tuple[int, int]
) -> None:
    assert difference(first, second) == (Fraction(ends[0]), Fraction(ends[1]))
    rng = np.random.default_rng(1)
    for _ in range(100):  # any values in the ranges
        drawn = {name: rng.uniform(each.low, each.high) for name, each in PARTS.items()}
        costs = [
            sum(times * drawn[name] for name, (times, _) in row.charged.items())
            for row in (first, second)
        ]
        assert ends[0] - 1e-9 <= costs[1] - costs[0] <= ends[1] + 1e-9


def test_with_the_same_constants_less_is_proven_although_the_ranges_overlap() -> None:
    found = compare_figures(
        [figures("a", charged(add=10, read=5)), figures("b", charged(add=10, read=4))]
    )
    assert overlap(found.energies)
    row = found.row("energy_per_sample_j")
    assert row is not None
    assert (row.best, row.proven) == (1, True)
    assert found.energy_difference(0) == (0.5, 5.0)  # of one of ten samples
    unproven = compare_figures(
        [figures("a", charged(add=10, read=4)), figures("b", charged(add=2, read=5))]
    ).row("energy_per_sample_j")
    assert unproven is not None
    assert unproven.proven is False


def test_energies_with_other_constants_of_the_same_name_are_refused() -> None:
    other = replace(charged(add=3), charged={"add": (3.0, Interval(1, 2, 4))})
    with pytest.raises(ComparisonError, match="constant add is 1 to 4 J in b, 1 to 3 J in a"):
        compare_figures([figures("a", charged(add=3)), figures("b", other)])


def test_constants_that_the_first_does_not_charge_are_compared_too() -> None:
    other = replace(charged(read=3), charged={"read": (3.0, Interval(1, 2, 9))})
    models = [figures("a", charged(add=3)), figures("b", charged(read=3)), figures("c", other)]
    with pytest.raises(ComparisonError, match=r"constant read is 1 to 9 J in c, .* J in b"):
        compare_figures(models)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 3), (3, 5), (10, 0), (7, 7)])
def test_the_sign_test_sums_the_tails_of_a_fair_coin(wins: int, losses: int) -> None:
    n, least = wins + losses, abs(wins - losses)
    ways = sum(comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= least)
    assert sign_test(wins, losses) == float(Fraction(ways, 2**n))


def test_the_sign_test_of_thousands_of_samples_is_a_number() -> None:
    assert 0 <= sign_test(5000, 4000) < 1e-20
    assert sign_test(5000, 5000) == 1.0


def test_mcnemar_counts_what_only_one_answers_right() -> None:
    first = np.array([True, True, True, False, False])
    second = np.array([True, False, False, True, False])
    test = mcnemar(first, second)
    assert (test.only_first, test.only_second, test.p_value) == (2, 1, 1.0)
    assert mcnemar(np.ones(6, bool), np.zeros(6, bool)).p_value == 2 / 2**6
    assert mcnemar(np.ones(6, bool), np.zeros(6, bool)).shown


@pytest.mark.parametrize(
    ("right", "samples", "low", "high"),
    # Values of statsmodels' proportion_confint(method="wilson").
    [(5, 10, 0.2366, 0.7634), (20, 20, 0.8389, 1.0), (0, 20, 0.0, 0.1611)],
)
def test_wilsons_interval_is_that_of_statsmodels(
    right: int, samples: int, low: float, high: float
) -> None:
    found = wilson(right, samples)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


def test_wilsons_interval_is_the_root_of_its_equation() -> None:
    # Its ends are the shares p for which the observed one is z standard errors away.
    for end in wilson(187, 200):
        assert abs(0.935 - end) == pytest.approx(1.959963985 * (end * (1 - end) / 200) ** 0.5)


@pytest.mark.parametrize(("right", "samples"), [(0, 2680), (154, 154), (1557, 1557)])
def test_an_interval_of_none_or_all_ends_there(right: int, samples: int) -> None:
    low, high = wilson(right, samples)  # floats end at -1.1e-19, 1.0000000000000002 and 1 - 2e-16
    assert (low if right == 0 else high) == right / samples
    assert 0 <= low < high <= 1


def test_without_single_answers_intervals_decide() -> None:
    close = compare_figures([figures("a", right=5), figures("b", right=6)])
    far = compare_figures([figures("a", right=0), figures("b", right=10)])
    rows = [found.row("accuracy") for found in (close, far)]
    assert [(row.best, row.proven) for row in rows if row is not None] == [(1, False), (1, True)]
    assert close.tests == (None,)


def layers(*names: str) -> tuple[LayerFigures, ...]:
    return tuple(LayerFigures(name, 1, 2, 3) for name in names)


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("a b c", "a b c", "a-a b-b c-c"),
        ("a b c", "c b a", "a-a b-b c-c"),
        ("a x c", "a y c", "a-a x-y c-c"),
        ("x y", "p q", "x-p y-q"),
        ("a x c", "a c", "a-a x- c-c"),
        ("a x y c", "a p c q", "a-a x- y- c-c -p -q"),
        ("a x", "a p q", "a-a x- -p -q"),
        ("", "a", "-a"),
    ],
)
def test_layers_correspond_by_name_else_by_place(first: str, second: str, pairs: str) -> None:
    models = [figures(layers=layers(*names.split())) for names in (first, second)]
    found = [[each.name if each else "" for each in row.layers] for row in layer_rows(models)]
    assert [f"{a}-{b}" for a, b in found] == pairs.split()


def test_layers_by_place_are_marked() -> None:
    models = [figures(layers=layers(*names.split())) for names in ("a x", "a y")]
    assert [row.by_place for row in layer_rows(models)] == [False, True]


def test_one_model_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="1 models are given; give at least 2"):
        edgespike.compare([small(3, 1)], bits())


def test_graphs_need_samples_and_reports_take_none(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(edgespike.estimate_energy(small(3, 1), bits()).to_json()))
    with pytest.raises(InputError, match="no samples are given"):
        edgespike.compare([small(3, 1), path])
    with pytest.raises(InputError, match="saved reports, which have run already"):
        edgespike.compare([path, path], bits())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(5, int), r"shape \(5,\); give integers of shape \(6,\)"),
        (np.zeros(6), "labels are float64"),
        (
            np.full(6, 3),
            r"6 are not classes of the model, 0\.\.2; the first, of sample 0, is 3",
        ),
    ],
)
def test_labels_that_do_not_fit_are_errors(labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        edgespike.compare([small(3, 1), small(4, 1)], bits(), labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("counts"), "it has no 'counts'"),
        (lambda r: r["counts"].update(samples=0), "no samples"),
        (lambda r: r["counts"].update(samples=True), "'samples' is True, not a whole number"),
        (lambda r: r["counts"].update(multiply_accumulates=-1), r"must be in 0\.\.1e\+100"),
        (lambda r: r["counts"].update(multiply_accumulates=10**400), r"must be in 0\.\."),
        (lambda r: r["counts"].update(samples=10**400), r"must be in 0\.\."),
        (lambda r: r.update(accuracy=10**400), r"must be in 0\.\."),
        (lambda r: r.update(accuracy=1e99), "no whole number of right answers"),
        (lambda r: r.update(headline="\x1b[2J"), "'headline' is .*, not one line of text"),
        (lambda r: r.update(inputs=["x"]), "'inputs' is .*, not one line of text"),
        (lambda r: r["counts"]["layers"][0].update(name="\x1b[2J"), "not one line of text"),
        (lambda r: r["energy"][0]["charged"].update(fp32_add="x"), "it has no 'times'"),
        (
            lambda r: r["energy"][0]["charged"]["fp32_add"].update(times=10**9),
            "what it charges adds up to",
        ),
        (lambda r: r["energy"][0].update(high_j="1"), "'high_j' is '1', not a number"),
        (lambda r: r["energy"][0].update(low_j=1e9), "does not hold its typical value"),
        (lambda r: r["energy"][0].update(high_j=float("nan")), r"must be in 0\.\."),
        (lambda r: r.update(accuracy=0.123), "no whole number of right answers"),
        (lambda r: r.update(energy={}), "'energy' is {}, not a list"),
    ],
)
def test_a_report_that_is_damaged_is_named(change: Any, message: str) -> None:
    report = edgespike.estimate_energy(small(3, 1), bits()).to_json()
    change(report)
    with pytest.raises(FileFormatError, match=message):
        figures_of("r.json", report)


@pytest.mark.parametrize("content", ["{", "{]", '{"a": 1}', "{}" + " " * 80 + "x"])
def test_a_file_that_is_no_report_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"r\.json"):
        edgespike.compare([path, path])


def test_a_graph_file_whose_length_is_a_brace_is_no_report(tmp_path: Path) -> None:
    from edgespike.comparison.figures import is_report

    path = tmp_path / "model.safetensors"
    path.write_bytes(b"{\0\0\0\0\0\0\0" + b" " * 123)
    assert not is_report(path)


def test_a_profile_of_ones_own_is_taken_by_path(tmp_path: Path) -> None:
    from importlib import resources

    text = (resources.files("edgespike") / "energy/profiles/45nm.toml").read_text()
    path = tmp_path / "own.toml"
    path.write_text(text.replace('name = "45nm"', 'name = "own"', 1))
    found = edgespike.compare([small(3, 1), small(4, 1)], bits(), profile=path)
    assert found.energy is not None
    assert found.energy.profile == load_profile(path).name == "own"
