"""Energy: counts times constants, compared with values worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.counting import Counts, silent_layers
from edgespike.energy import ENERGY_MODELS, EnergyReport, Estimate, energy_report
from edgespike.graph import Membrane
from edgespike.graph.size import graph_size
from tests.energy.examples import (
    OR,
    OR_SAMPLES,
    THREE_STEP_SAMPLES,
    THREE_STEPS,
    TWO_LAYERS,
    TWO_SAMPLES,
    counts_of,
)
from tests.example_graphs import recurrent_graph
from tests.strategies import MIXES, Case, cases

PICOJOULE = 1e-12


def by_model(report: EnergyReport) -> dict[str, Estimate]:
    return {estimate.model.name: estimate for estimate in report.estimates}


@pytest.fixture(scope="module")
def counts() -> Counts:
    return counts_of(TWO_LAYERS, TWO_SAMPLES)


@pytest.fixture(scope="module")
def report(counts: Counts) -> EnergyReport:
    return energy_report(TWO_LAYERS, counts)


INT8 = (4 + 8) * 0.1 + 5 * 0.3
LOIHI_TYPICAL = (4 + 5) * 23.6 + 3 * 81 + 5 * 52 + 6 * 1.7


@pytest.mark.parametrize(
    ("model", "low", "typical", "high"),
    [
        ("fp32-spiking-only", 6 * 0.85, 6 * 0.9, 6 * 0.95),
        ("fp32-all-layers", 6 * 0.85 + 6 * 4.5, 6 * 0.9 + 6 * 4.6, 6 * 0.95 + 6 * 4.7),
        ("int8-operations", 12 * 0.03 + 5 * 0.23, INT8, INT8),
        (
            "int8-with-memory",
            12 * 0.03 + 5 * 0.23 + 9 * 1.25 + 34 * 5,
            INT8 + 9 * 2.5 + 34 * 10,
            INT8 + 9 * 10 + 34 * 10,
        ),
        (
            "loihi",
            9 * 23.55 + 3 * 80.5 + 5 * 51.5 + 6 * 1.7,
            LOIHI_TYPICAL,
            9 * 23.65 + 3 * 81.5 + 5 * 81.5 + 6 * 8.7,
        ),
    ],
)
def test_energy_is_count_times_constant(
    report: EnergyReport, model: str, low: float, typical: float, high: float
) -> None:
    energy = by_model(report)[model].energy
    found = [energy.low, energy.typical, energy.high]
    assert found == pytest.approx([x * PICOJOULE for x in (low, typical, high)], rel=1e-12)


@pytest.mark.parametrize(
    ("model", "operations", "typical"),
    [
        ("fp32-spiking-only", 8, 8 * 4.6),  # the second layer alone: 2 samples * 4 connections
        ("fp32-all-layers", 16, 16 * 4.6),
        ("int8-operations", 16, 16 * 0.3 + 8 * 0.1),
        ("int8-with-memory", 16, 16 * 0.3 + 8 * 0.1 + 2 * 16 * 2.5 + 8 * 2.5),
    ],
)
def test_the_baseline_computes_every_connection_of_the_layers_that_the_model_charges(
    report: EnergyReport, model: str, operations: int, typical: float
) -> None:
    (baseline,) = by_model(report)[model].baselines
    assert baseline.operations == operations
    assert baseline.energy.typical == pytest.approx(typical * PICOJOULE, rel=1e-12)


def test_loihi_has_no_dense_baseline(report: EnergyReport) -> None:
    assert by_model(report)["loihi"].baselines == ()


def test_the_share_of_memory_is_that_of_the_typical_energy(report: EnergyReport) -> None:
    estimates = by_model(report)
    accesses = 9 * 2.5 + 34 * 10
    assert estimates["int8-with-memory"].memory_share == pytest.approx(accesses / (accesses + INT8))
    assert estimates["int8-operations"].memory_share is None


def test_what_a_model_does_not_charge_for_is_named_with_its_count(report: EnergyReport) -> None:
    left_out = {
        name: {quantity.value: count for quantity, count in estimate.left_out.items()}
        for name, estimate in by_model(report).items()
    }
    memory = {"weight reads": 9, "potential reads": 17, "potential writes": 17}
    unpriced = {"neuron updates": 8, "event transport": 6, **memory}
    assert left_out == {
        "fp32-spiking-only": {"multiply-accumulates": 6, **unpriced},
        "fp32-all-layers": unpriced,
        "int8-operations": {"event transport": 6, **memory},
        "int8-with-memory": {"event transport": 6},
        "lemaire": {},
        "loihi": {},
    }


def test_loihi_pays_for_a_max_pool_as_synapses_and_neurons() -> None:
    report = energy_report(OR, counts_of(OR, OR_SAMPLES), ["loihi"])
    expected = (1 + 2) * 23.6 + 1 * 81 + 1 * 52 + 3 * 1.7
    assert report.estimates[0].energy.typical == pytest.approx(expected * PICOJOULE, rel=1e-12)


def test_a_rate_coded_network_is_compared_with_one_pass_and_with_one_pass_a_step() -> None:
    report = energy_report(THREE_STEPS, counts_of(THREE_STEPS, THREE_STEP_SAMPLES), ["45nm"])
    once, every_step = by_model(report)["fp32-all-layers"].baselines
    assert (once.operations, every_step.operations) == (4, 12)
    assert every_step.energy == once.energy * 3


def test_a_recurrent_network_is_compared_with_one_that_takes_every_step_too() -> None:
    graph = recurrent_graph(steps=4)
    counts = counts_of(graph, np.zeros((2, 5), np.int64))
    (baseline,) = by_model(energy_report(graph, counts, ["45nm"]))["fp32-all-layers"].baselines
    assert baseline.name.endswith("one pass a step")
    assert baseline.operations == 2 * 4 * (6 * 5 + 6 * 6 + 2 * 6)


def test_grades_are_the_worst_of_the_constants(report: EnergyReport) -> None:
    grades = {name: estimate.grade.value for name, estimate in by_model(report).items()}
    assert grades.pop("loihi") == "simulated"
    assert set(grades.values()) == {"inherited"}


def test_json_keeps_the_contract(report: EnergyReport, counts: Counts) -> None:
    answer = json.loads(json.dumps(report.to_json(), allow_nan=False))
    names = {"name", "graph", "origin", "silent_layers", "counts", "energy", "size"}
    names |= {"coverage", "target", "accuracy", "busiest_core", "headline"}
    assert set(answer) == names
    assert answer["counts"] == counts.to_json()
    assert answer["counts"]["synaptic_operations"] == {"every": 6, "nonzero": 4, "quantised": 4}
    assert answer["size"] == graph_size(TWO_LAYERS).to_json()
    default = [model for model in ENERGY_MODELS if not model.endswith("-only")]
    default.insert(0, "fp32-spiking-only")
    assert [row["model"] for row in answer["energy"]] == default
    for row, estimate in zip(answer["energy"], report.estimates, strict=True):
        assert row["profile"] == estimate.profile.name
        assert row["low_j"] == estimate.energy.low
        assert row["typical_j"] == estimate.energy.typical
        assert row["high_j"] == estimate.energy.high
        assert row["per_sample"]["typical_j"] == estimate.energy.typical / 2


def test_loihi_2_is_counts_only(counts: Counts) -> None:
    report = energy_report(TWO_LAYERS, counts, ["loihi2"])
    assert report.to_json()["energy"] == []
    assert "No energy" in report.profiles[0].note


def test_profiles_of_the_users_own_are_used_by_path(tmp_path: Path, counts: Counts) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'format = 1\nname = "mine"\ntitle = "Mine"\nnote = "Guessed."\n'
        'models = ["fp32-spiking-only"]\n'
        '[constants.fp32_add]\nvalue = 2\nlow = 1\nhigh = 3\nunit = "nJ"\nsource = "my desk"\n'
        'year = 2026\ngrade = "measured"\nnote = "with a meter"\n'
        '[constants.fp32_multiply_accumulate]\nvalue = 5\nlow = 5\nhigh = 5\nunit = "fJ"\n'
        'source = "my desk"\nyear = 2026\ngrade = "fitted"\nnote = "-"\n'
    )
    (estimate,) = energy_report(TWO_LAYERS, counts, [path]).estimates
    assert estimate.energy.typical == pytest.approx(6 * 2e-9, rel=1e-12)
    assert estimate.baselines[0].energy.typical == pytest.approx(8 * 5e-15, rel=1e-12)
    assert estimate.grade.value == "measured"


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=40)
def test_energies_are_ordered_and_add_up_over_samples(case: Case) -> None:
    one_by_one = [
        energy_report(case.graph, counts_of(case.graph, case.samples[i : i + 1]))
        for i in range(len(case.samples))
    ]
    report = energy_report(case.graph, counts_of(case.graph, case.samples))
    for place, estimate in enumerate(report.estimates):
        energy = estimate.energy
        assert 0 <= energy.low <= energy.typical <= energy.high
        parts = sum(part.estimates[place].energy.typical for part in one_by_one)
        if estimate.model.name == "loihi" and any(
            op.max_spikes > 1 for _, op in case.graph.of_type(Membrane)
        ):
            # The number of active neurons is then only bounded by the number of spikes.
            assert energy.typical >= parts * (1 - 1e-9)
        else:
            assert energy.typical == pytest.approx(parts, rel=1e-9)


def loihi(report: EnergyReport) -> Estimate:
    return by_model(report)["loihi"]


def test_only_models_of_a_target_ask_it(counts: Counts) -> None:
    asked: list[str] = []

    def refusals(target: str) -> list[str]:
        asked.append(target)
        return ["first (dense): weight is 300, beyond 255", "second (dense): too wide"]

    report = energy_report(TWO_LAYERS, counts, refusals=refusals)
    assert asked == ["loihi"]
    found = loihi(report).to_json(samples=2)
    assert found["target"] == "loihi"
    assert found["target_runs_graph"] is False
    assert found["target_refusals"] == refusals("loihi")
    others = [row.to_json(2) for row in report.estimates if row.model.name != "loihi"]
    assert {row["target"] for row in others} == {None}
    assert {row["target_runs_graph"] for row in others} == {None}
    assert energy_report(TWO_LAYERS, counts, ["45nm"], refusals).estimates


def test_a_target_that_runs_the_graph_and_one_that_was_not_asked(counts: Counts) -> None:
    runs = energy_report(TWO_LAYERS, counts, refusals=lambda _: [])
    assert loihi(runs).to_json(2)["target_runs_graph"] is True
    assert loihi(energy_report(TWO_LAYERS, counts)).to_json(2)["target_runs_graph"] is None


def test_models_name_targets_that_exist() -> None:
    from edgespike.targets import get_target

    named = {model.target for model in ENERGY_MODELS.values()} - {""}
    assert named == {get_target(name).name for name in named}


def test_the_report_names_its_graph_as_other_commands_do(report: EnergyReport) -> None:
    found = report.to_json()
    assert (found["name"], found["graph"]) == (TWO_LAYERS.name, TWO_LAYERS.hash)


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        ([[1, 1], [0, 0]], ()),
        ([[0, 1], [0, 0]], ("spikes",)),  # accumulators 0 and 3, of thresholds 1 and 5
        ([[0, 0]], ("pixels", "spikes")),
    ],
)
def test_layers_without_an_event_are_named(
    samples: list[list[int]], silent: tuple[str, ...]
) -> None:
    counts = counts_of(TWO_LAYERS, np.array(samples))
    assert silent_layers(TWO_LAYERS, counts) == silent
    report = energy_report(TWO_LAYERS, counts)
    assert report.silent == silent
    assert report.to_json()["silent_layers"] == list(silent)


def test_a_pool_without_an_event_is_silent_too() -> None:
    counts = counts_of(OR, np.zeros_like(OR_SAMPLES))
    assert silent_layers(OR, counts) == ("pixels", "pool")
    assert silent_layers(OR, counts_of(OR, OR_SAMPLES)) == ()


def test_a_printed_report_is_one_line(report: EnergyReport) -> None:
    assert repr(report).startswith(
        "<EnergyReport of graph 'two_layers': 2 samples, 4 synaptic operations, 5 "
        "multiply-accumulates; per sample fp32-spiking-only 2.7e-12 J, fp32-all-layers "
    )
    assert "\n" not in repr(report)
    assert len(repr(report)) < 400
