"""The number type of each node, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Reshape,
    Signal,
    Tensor,
    Threshold,
)
from edgespike.passes.folding import Normalisation, fold
from edgespike.targets import get_target
from edgespike.targets.base import without_repeats
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.planning.numbers import layer_numbers
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form, zero_point
from tests.strategies import Case, cases
from tests.targets.cpu.graphs import chain
from tests.targets.tflite.networks import NETWORKS, STATES


def dense_network(weight: int, high: int = 1, levels: int = 1) -> Graph:
    """One input, one neuron with thresholds from 0 upwards, one class."""
    one = np.array([[1]])
    return Graph(
        "one",
        (
            Node("input", Input((1,), 0, high, 1.0)),
            Node("dense", Dense(one * weight, np.array([0])), ("input",)),
            Node("spike", Threshold(np.arange(levels)[None], np.array([False])), ("dense",)),
            Node("class", Dense(one, np.array([0])), ("spike",)),
            Node("readout", Readout(np.ones(1)), ("class",)),
        ),
    )


@pytest.mark.parametrize(
    ("graph", "spike", "readout"),
    [
        (dense_network(127), Form.INT8, Form.INT16),
        (dense_network(-127), Form.INT8, Form.INT16),
        (dense_network(128), Form.FLOAT, Form.FLOAT),
        (dense_network(-128), Form.FLOAT, Form.FLOAT),
        (dense_network(127, high=255), Form.INT8, Form.INT16),
        (dense_network(127, high=256), Form.FLOAT, Form.FLOAT),
        (dense_network(1, levels=2), Form.INT8, Form.INT16),
    ],
)
def test_forms_of_a_spiking_neuron(graph: Graph, spike: Form, readout: Form) -> None:
    forms = make_plan(graph).forms
    assert forms["spike"] is spike
    assert forms["readout"] is readout


def test_a_single_step_network_is_all_integers() -> None:
    for name in (
        "graded input in int8",
        "residual of spikes",
        "max_pool2d halves, 1 levels",
        "reshapes in int8",
    ):
        *others, readout = make_plan(NETWORKS[name]()).forms.values()
        assert set(others) == {Form.INT8}
        assert readout is Form.INT16


@pytest.mark.parametrize("count", STATES)
@pytest.mark.parametrize("high", [3, 255])
def test_even_thresholds_of_any_number_of_states_are_all_integers(count: int, high: int) -> None:
    *others, readout = make_plan(NETWORKS[f"{count} states, input to {high}"]()).forms.values()
    assert set(others) == {Form.INT8}
    assert readout is Form.INT16


def test_random_graphs_of_even_levels_mostly_take_int8() -> None:
    """Otherwise the conformance suite would hardly test levels in int8."""
    numbers: list[str] = []

    @given(case=cases("even-levels"))
    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    def collect(case: Case) -> None:
        numbers.extend(
            row.numbers
            for row in layer_numbers(make_plan(case.graph))
            if row.layer.split()[-1].startswith("threshold")
        )

    collect()
    assert numbers.count("int8, a scale for each channel") > len(numbers) / 3


def test_folded_normalisation_is_all_integers() -> None:
    """Ternary weights, 4 states, and a normalisation as after training: gammas of either sign."""
    rng = np.random.default_rng(3)
    op = Conv2d(rng.integers(-1, 2, (96, 48, 3, 3)), np.zeros(96, int), padding=(1, 1))
    source = Input((48, 6, 6), 0, 3, 1 / 3)
    accumulator = op.infer([source.infer([], 1)], 1)
    normalisation = Normalisation(
        rng.normal(0.6, 0.4, 96),
        rng.normal(0.0, 0.5, 96),
        rng.normal(0.0, 3.0, 96),
        rng.uniform(2.0, 9.0, 96),
        1e-5,
    )
    levels = [Fraction(2 * level - 1, 6) for level in (1, 2, 3)]
    threshold = fold(Fraction(0.0173), [0.0] * 96, normalisation, levels, accumulator)
    assert threshold.flipped.any()
    assert not threshold.flipped.all()
    graph = chain(
        source,
        op,
        threshold,
        Reshape((96 * 36,)),
        Dense(np.ones((2, 96 * 36), int), np.zeros(2, int)),
    )
    assert make_plan(graph).forms["threshold1"] is Form.INT8


def test_uneven_thresholds_are_left_to_float32_and_the_report_says_why() -> None:
    theta = np.array([[1, 2, 3], [1, 2, 90], [3, 3, 3]])
    graph = chain(
        Input((4,), 0, 9, 1.0),
        Dense(np.array([[1, 2, 3, 4]] * 3), np.zeros(3, int)),
        Threshold(theta, np.zeros(3, bool)),
        Dense(np.ones((2, 3), int), np.zeros(2, int)),
    )
    rows = layer_numbers(make_plan(graph))
    assert [(row.layer, row.numbers) for row in rows] == [
        ("dense0", "float32"),
        ("threshold1", "float32"),
        ("dense2 + out", "float32"),
    ]
    assert "1 of 3 channels" in rows[0].why
    assert "channel 1 with thresholds 1, 2, 90 and weights up to 4" in rows[0].why
    assert rows[1].why == rows[0].why
    shown = [row.layer for row in without_repeats(rows)]
    assert shown == ["dense0, threshold1", "dense2 + out"]


def test_the_report_names_what_is_computed_together() -> None:
    rows = layer_numbers(make_plan(NETWORKS["4 states, input to 255"]()))
    assert rows[0].layer == "conv2d1 + threshold2"
    assert rows[0].numbers == "int8, a scale for each channel"
    assert "proven at all of its 3 thresholds" in rows[0].why
    assert rows[-1].layer.endswith("+ readout")
    assert rows[-1].numbers == "int16"
    assert [row.numbers for row in rows].count("float32") == 0


@pytest.mark.parametrize(
    ("name", "layer", "why"),
    [
        ("graded input in float32", "conv2d1 + threshold2", "does not hold its input, 0..4000"),
        ("sum pooled accumulators", "conv2d1", "needed elsewhere than in one threshold"),
        ("sum pooled accumulators", "threshold3", "no exact form"),
        ("different numbers of levels", "add5", "different numbers of levels"),
        ("large readout", "dense3 + readout", "a weight of 40000 is beyond 127"),
        ("convolution plain, dense, weights to 300", "conv2d1 + threshold2", "a weight of 300"),
    ],
)
def test_reasons_for_float32(name: str, layer: str, why: str) -> None:
    found = {row.layer: row for row in layer_numbers(make_plan(NETWORKS[name]()))}
    assert found[layer].numbers == "float32"
    assert why in found[layer].why


def test_one_layer_in_float32_leaves_the_others_in_int8() -> None:
    forms = make_plan(NETWORKS["large readout"]()).forms
    assert forms["threshold2"] is Form.INT8
    assert forms["readout"] is Form.FLOAT


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, 0),
        (0, 127, 0),
        (0, 128, -1),
        (0, 255, -128),
        (0, 256, None),
        (-128, 127, 0),
        (-255, 0, 127),
        (-256, 0, None),
        (-200, 55, 72),
        (200, 255, -128),
        (200, 256, None),
    ],
)
def test_zero_point(low: int, high: int, expected: int | None) -> None:
    tensor = Tensor((1,), np.array([low]), np.array([high]), Signal.GRADED)
    assert zero_point(tensor) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_that_fits_is_refused(name: str) -> None:
    assert violations(NETWORKS[name]()) == []


def test_partial_sums_count_not_only_the_result() -> None:
    """Two products of 2**24 that cancel: the accumulator is small, a partial sum is not."""
    graph = Graph(
        "cancel",
        (
            Node("input", Input((2,), 1, 1, 1.0)),
            Node("dense", Dense(np.array([[2**24, -(2**24)]]), np.array([0])), ("input",)),
            Node("readout", Readout(np.ones(1)), ("dense",)),
        ),
    )
    assert graph.tensors["dense"].bounds == (0, 0)
    (line,) = violations(graph)
    assert str(2**25) in line


def test_all_violations_at_once_with_node_value_limit_and_way_out() -> None:
    graph = Graph(
        "large",
        (
            Node("input", Input((1,), 0, 1000, 1.0)),
            Node("dense", Dense(np.array([[2**15]]), np.array([0])), ("input",)),
            Node("cells", Membrane(np.array([10]), decay=100, saturation=2**25), ("dense",)),
            Node("class", Dense(np.array([[2**25]]), np.array([0])), ("cells",)),
            Node("readout", Readout(np.ones(1)), ("class",)),
        ),
        steps=300,
    )
    with pytest.raises(UnsupportedError) as caught:
        get_target("tflite").check(graph)
    lines = caught.value.violations
    for what in ("steps is 300; the limit is 256", "dense (dense)", "cells (membrane)"):
        assert any(line.startswith(what) for line in lines), what
    assert any(str(1000 * 2**15) in line and str(2**24) in line for line in lines)
    assert all("cpu target" in line for line in lines)


def long_row(membranes: int, steps: int) -> Graph:
    """One neuron after the other."""
    nodes = [Node("input", Input((1,), 0, 1, 1.0))]
    for index in range(membranes):
        synapse = Dense(np.array([[1]]), np.array([0]))
        nodes.append(Node(f"dense{index}", synapse, (nodes[-1].name,)))
        nodes.append(Node(f"cell{index}", Membrane(np.array([1])), (nodes[-1].name,)))
    nodes.append(Node("class", Dense(np.array([[1]]), np.array([0])), (nodes[-1].name,)))
    nodes.append(Node("readout", Readout(np.ones(1)), ("class",)))
    return Graph("long", tuple(nodes), steps)


def test_membranes_in_many_steps_are_refused_before_they_are_written() -> None:
    assert violations(long_row(32, steps=256)) == []
    assert violations(long_row(33, steps=256)) == [
        "33 membranes in 256 steps are 8,448 updates; the limit is 8,192, since each is written "
        "into the file: use fewer steps, fewer layers or the cpu target"
    ]


def test_the_largest_whole_number_of_float32() -> None:
    assert violations(dense_network(1, high=2**24 - 1)) == []
    assert violations(dense_network(1, high=2**24)) != []
