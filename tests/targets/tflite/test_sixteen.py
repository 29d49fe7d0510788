"""16 bits instead of float32, for microcontrollers: what is planned, and that it is exact."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Graph,
    Membrane,
    Multiply,
    ReadoutMode,
    Signal,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.models import shipped_model
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.devices.arena import run_on_tflite_micro
from edgespike.targets.tflite.lower import lower, lower_unrolled
from edgespike.targets.tflite.planning.numbers import layer_numbers
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.staircase import Staircase, climb, staircase
from edgespike.targets.tflite.planning.storage import (
    ACTIVATION_SCALE,
    FLOAT32,
    LARGEST_STORED,
    SUMS,
    WHOLE,
    Form,
    Storage,
    activation_scale,
    widens_exactly,
)
from edgespike.targets.tflite.planning.tiles import tile
from edgespike.targets.tflite.run import decode, decode_outputs, encode_input
from edgespike.targets.tflite.running import execute
from edgespike.targets.tflite.writing.emitter import Emitter
from edgespike.trace import observed_names
from tests.available import needs_tflm
from tests.random_graphs import accepted, up_to
from tests.targets.tflite.kernels import SIXTEEN_BITS
from tests.targets.tflite.networks import NETWORKS, samples_of
from tests.targets.tflite.recurrent import RECURRENT, Loops, layers

Whole = NDArray[np.int64]

RANDOM = ("recurrent", "delays", "gated", "levels", "signed", "membrane")
"""Operation mixes in which int8 does not suffice."""


def gated() -> Graph:
    """A recurrent layer with an update gate: ``h = (z h + (7 - z) n) / 7``, rounded."""
    loops = Loops((3,), 0, 15, largest=20)
    loops.add("h", Delay((6,), -7, 7, Signal.GRADED), "state")
    sums = loops.add("sums", Add(), loops.weigh("in", "input", 6), loops.weigh("back", "h", 6))
    z = loops.count("z", sums, 7)
    theta = loops.tensors["sums"]
    closed = Threshold(
        np.linspace(theta.low, theta.high, 9)[1:-1].T.astype(int), np.ones(6, np.bool_)
    )
    loops.add("closed", closed, sums)
    fresh = loops.weigh("fresh", "input", 6)
    span = loops.tensors[fresh]
    levels = np.linspace(span.low, span.high, 16)[1:-1].T.astype(int)
    loops.add("n", Threshold(levels, np.zeros(6, np.bool_), offset=-7), fresh)
    loops.add("kept", Multiply(), z, "h")
    loops.add("new", Multiply(), "closed", "n")
    loops.add("both", Add(), "kept", "new")
    middles = np.repeat((7 * np.arange(-6, 8) - 3)[None], 6, axis=0)
    loops.add("state", Threshold(middles, np.zeros(6, np.bool_), offset=-7), "both")
    return loops.finish("state", ReadoutMode.LAST)


def wide_readout() -> Graph:
    """Sums of more than 16 bits."""
    return Loops((4,), 0, 255, largest=127).finish("input", ReadoutMode.SUM)


NETS: dict[str, Callable[[], Graph]] = {
    **NETWORKS,
    "gated": gated,
    "wide sums": wide_readout,
    "thresholds beyond 16 bits": lambda: layers(15, largest=127, high=2**10, even=False),
    "levels on lines": lambda: layers(63, 31, largest=90, high=255),
}


def assert_equal(graph: Graph, samples: NDArray[np.int64]) -> None:
    """Compare every layer and step on LiteRT, with both sets of kernels."""
    samples = as_samples(graph, samples)
    expected, names = interpret(graph, samples), observed_names(graph)
    probe = lower(make_plan(graph, sixteen=True), names)
    for kernels in (execute.DEFAULT_KERNELS, execute.REFERENCE_KERNELS):
        model = execute.LoadedModel(probe.content, kernels, probe.carried)
        outputs = model.run(encode_input(graph, probe, samples))
        found = decode_outputs(graph, probe, outputs, len(samples))
        for name in names:
            assert np.array_equal(found[name], expected.values[name]), (kernels, name)


@pytest.mark.parametrize("name", NETS)
def test_every_layer_and_step_equals_the_interpreter(name: str) -> None:
    graph = NETS[name]()
    assert_equal(graph, samples_of(graph))


@pytest.mark.parametrize("mix", RANDOM)
def test_random_graphs_equal_the_interpreter(mix: str) -> None:
    number = up_to(100)
    for defined in accepted(mix, number, lambda graph: bool(violations(graph)), number):
        assert_equal(defined.case.graph, defined.case.samples)


@needs_tflm
@pytest.mark.parametrize("name", [*RECURRENT, *(name for name in NETS if name not in NETWORKS)])
def test_every_layer_of_the_last_step_on_tflite_micro(name: str) -> None:
    graph = NETS[name]()
    samples = as_samples(graph, samples_of(graph, 3))
    expected = interpret(graph, samples)
    probe = lower(make_plan(graph, sixteen=True), observed_names(graph))
    batch = encode_input(graph, probe, samples)
    for node, index in probe.observed.items():
        outputs, _ = run_on_tflite_micro(sys.executable, replace(probe, answer=index), batch)
        found = np.moveaxis(decode(node, probe.outputs[index], outputs), -1, 1)
        last = expected.values[node][:, -1]
        steps = found.reshape(len(last), -1, *last.shape[1:])  # one, or all at once
        assert np.array_equal(steps[:, -1], last), node


@pytest.mark.parametrize("kernels", [execute.DEFAULT_KERNELS, execute.REFERENCE_KERNELS])
@pytest.mark.parametrize("name", [*RECURRENT, "gated"])
def test_the_unrolled_form_is_exact_too(name: str, kernels: str) -> None:
    graph = NETS[name]()
    samples = samples_of(graph)
    plan = make_plan(graph, sixteen=True)
    batch = encode_input(graph, lower(plan), samples)
    (found, *_) = execute.LoadedModel(lower_unrolled(plan).content, kernels).run(batch)
    assert np.array_equal(found, interpret(graph, samples).accumulators(graph))


def forms(graph: Graph, sixteen: bool = True) -> dict[str, Form]:
    """Return in what each layer is computed."""
    return make_plan(graph, sixteen=sixteen).forms


def test_the_shipped_recurrent_net_has_no_float32_but_for_its_answer() -> None:
    graph = shipped_model("fashion_rnn")
    found = forms(graph)
    assert {found[name] for name in ("input", "levels1")} == {Form.INT8}
    assert {found[name] for name in ("delay1", "levels2")} == {Form.INT16}
    assert found["readout1"] is Form.FLOAT  # its sums of -49604..6485 are moved, and added there
    assert "FLOOR" not in lower(make_plan(graph, sixteen=True)).operators
    (line,) = (
        node.staircase.lines
        for node in make_plan(graph, sixteen=True).nodes.values()
        if node.staircase is not None and node.staircase.lines is not None
    )
    assert line.scale.size == 1


def test_the_raspberry_pi_keeps_float32() -> None:
    """There XNNPACK computes float32, and no 16-bit activations."""
    graph = shipped_model("fashion_rnn")
    assert forms(graph, sixteen=False)["levels2"] is Form.FLOAT


@pytest.mark.parametrize(
    ("name", "layer", "why"),
    [
        ("recurrent layer of uneven levels", "neurons1", "compared with each of its 6 thresholds"),
        ("recurrent layer, negative input", "neurons1", "compared with each of its 3 thresholds"),
        (
            "recurrent layer, input beyond int8",
            "neurons1",
            "compared with each of its 7 thresholds",
        ),
        ("thresholds beyond 16 bits", "neurons1", "parts, compared with each of its 15 thresholds"),
        ("gated", "z", "compared with each of its 7 thresholds"),
        ("gated", "closed", "compared with each of its 7 thresholds"),
        ("gated", "kept", "16 bits hold the product"),
        ("gated", "both", "16 bits hold the sums"),
        ("gated", "state", "lines that are proven"),
    ],
)
def test_what_is_planned_in_16_bits(name: str, layer: str, why: str) -> None:
    plan = make_plan(NETS[name](), sixteen=True).nodes[layer]
    assert plan.output.form is Form.INT16
    assert why in plan.why


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (layers(15, largest=300), "a weight of 300 is beyond 127"),
        (layers(3, high=2**15), "16 bits do not hold its input"),
        (layers(15, largest=127, high=2**10), "no lines are proven with 16 bits"),
    ],
    ids=["weight", "input", "lines"],
)
def test_reasons_for_float32(graph: Graph, why: str) -> None:
    plan = make_plan(graph, sixteen=True)
    rows = [row for row in layer_numbers(plan) if "neurons1" in row.layer]
    assert all(row.numbers == "float32" and why in row.why for row in rows)
    assert rows


def test_wide_sums_are_added_up_in_float32() -> None:
    graph = wide_readout()
    plan = make_plan(graph, sixteen=True)
    low, high = graph.tensors["classes"].bounds
    assert high - low > 2**16
    assert plan.nodes["classes"].tiles is not None
    assert plan.nodes["classes"].output.form is Form.FLOAT


@settings(max_examples=200)
@given(low=st.integers(-(2**20), 2**20), width=st.integers(0, 4 * 65535))
def test_tiles_add_up_to_every_sum(low: int, width: int) -> None:
    tiles = tile(Tensor((1,), np.array([low]), np.array([low + width]), Signal.GRADED))
    assert tiles is not None
    assert len(tiles.centres) == max(1, -(-width // 65535))
    sums = np.arange(low, low + width + 1)
    parts = [np.clip(sums - centre, -(2**15), 2**15 - 1) for centre in tiles.centres]
    assert np.array_equal(sum(parts) + tiles.constant, sums)


def test_too_many_tiles_are_refused() -> None:
    sums = Tensor((1,), np.array([0]), np.array([4 * 65535 + 1]), Signal.GRADED)
    assert tile(sums) is None


def found_levels(steps: Staircase, sums: Whole, kernel: str) -> Whole:
    """Count levels of one channel's sums as a kernel does."""
    total = np.zeros_like(sums)
    for window, (centre, theta) in enumerate(
        zip(steps.centre[:, 0], steps.theta[:, 0], strict=True)
    ):
        stored = np.clip(steps.sign[0] * sums - centre, -(2**15), 2**15 - 1)
        if steps.lines is None:
            assert np.abs(1 - theta).max() < 2**15
            total += np.clip(stored[:, None] + 1 - theta, 0, 1).sum(axis=1)
            continue
        lines, rows = steps.lines, len(steps.lines.bias) // len(steps.centre)
        most = round(6 / steps.counted.scale)
        for row in range(window * rows, (window + 1) * rows):
            scale = lines.scale[row % lines.scale.size]
            multiplier = np.float64(SUMS.scale * float(scale) / steps.counted.scale)
            x = lines.weight.ravel()[row] * stored + lines.bias[row]
            total += np.clip(SIXTEEN_BITS[kernel](x, multiplier), 0, most)
    return total


@settings(max_examples=300, deadline=None)
@given(
    theta=st.lists(st.integers(-150_000, 150_000), min_size=2, max_size=12).map(sorted),
    low=st.integers(-150_000, 0),
    width=st.integers(0, 300_000),
    flipped=st.booleans(),
)
def test_any_thresholds_are_counted(theta: list[int], low: int, width: int, flipped: bool) -> None:
    assert_counts(np.array([theta]), low, low + width, flipped)


@pytest.mark.parametrize("low", [-(2**15) - 1, 2**15, -100_000, 100_000])
@pytest.mark.parametrize("theta", [[0, 0], [-200_000, 200_000]])
def test_sums_beyond_16_bits_that_reach_all_thresholds_or_none(low: int, theta: list[int]) -> None:
    assert_counts(np.array([theta]), low, low, flipped=False)


@settings(max_examples=200, deadline=None)
@given(
    step=st.floats(1, 3000),
    start=st.floats(-30_000, 30_000),
    levels=st.one_of(st.integers(2, 63), st.sampled_from([255, 256, 700, 1020, 1684])),
    flipped=st.booleans(),
)
def test_even_thresholds_are_counted(step: float, start: float, levels: int, flipped: bool) -> None:
    theta = np.ceil(start + step * np.arange(levels)).astype(int)
    assert_counts(theta[None], int(theta[0]) - 999, int(theta[-1]) + 999, flipped)


def assert_counts(theta: Whole, low: int, high: int, flipped: bool) -> None:
    """If levels are counted in 16 bits, they are right next to each threshold and at random."""
    op = Threshold(theta, np.array([flipped]))
    steps, why = staircase(op, Tensor((1,), np.array([low]), np.array([high]), Signal.GRADED))
    assert (steps is None) == bool(why)
    if steps is None:
        return
    rng = np.random.default_rng(0)
    near = np.concatenate([theta[0] + by for by in (-2, -1, 0, 1)])
    sums = np.concatenate([near, rng.integers(low, high + 1, 2000), [low, high]]).clip(low, high)
    expected = (sums[:, None] >= theta[0]).sum(axis=1)
    expected = theta.size - expected if flipped else expected
    for kernel in SIXTEEN_BITS:
        assert np.array_equal(found_levels(steps, sums, kernel), expected), kernel


@pytest.mark.parametrize("levels", [2, 15, 63, 255])
def test_a_line_of_few_whole_steps_is_proven(levels: int) -> None:
    theta = 77 * np.arange(levels)[None] + 5
    line = climb(theta, np.array([-(2**15)]), np.array([2**15 - 1]))
    assert line is not None
    assert line.scale.size == 1


def test_thresholds_on_no_line_have_none() -> None:
    theta = np.array([[-3000, 0, 1, 2, 9000]])
    assert climb(theta, np.array([-(2**15)]), np.array([2**15 - 1])) is None


@pytest.mark.parametrize("scale", [WHOLE.scale, SUMS.scale, ACTIVATION_SCALE])
def test_16_bit_numbers_of_these_scales_are_whole_when_widened(scale: float) -> None:
    values = np.arange(-(2**15), 2**15, dtype=np.float32)
    assert np.array_equal(values * np.float32(scale) * np.float32(1 / scale), values)
    assert widens_exactly(scale)


@settings(max_examples=100)
@given(st.integers(1, 255), st.integers(1, 255))
def test_numbers_are_whole_when_widened_if_and_only_if_that_is_said(one: int, other: int) -> None:
    scale = float(np.float32(activation_scale(one) * activation_scale(other)))
    values = np.arange(-one * other, one * other + 1, dtype=np.float32)
    found = values * np.float32(scale) * np.float32(1 / scale)
    assert widens_exactly(scale, one * other) == np.array_equal(found, values)


@pytest.mark.parametrize("levels", [0, LARGEST_STORED + 1, 1684])
def test_other_numbers_of_levels_have_no_scale(levels: int) -> None:
    with pytest.raises(ValueError, match=f"{levels} levels have no scale; 1 to 255 have one"):
        activation_scale(levels)


def test_relu6_clamps_to_every_number_of_levels_that_has_a_scale() -> None:
    for levels in range(1, LARGEST_STORED + 1):
        assert round(np.float32(6) / np.float32(activation_scale(levels))) == levels


def products(finish: Callable[[Loops], str], largest: int = 1, size: tuple[int, ...] = ()) -> Graph:
    """A 16-bit product, what ``finish`` adds, and a layer of weights up to ``largest``."""
    loops = Loops((3, *size), 0, 15, largest=20)
    for name in ("left", "right"):
        sums = loops.weigh(f"{name}.sums", "input", 4, kernel=1 if size else None)
        loops.count(name, sums, 65)
    loops.add("product", Multiply(), "left", "right")
    name = finish(loops)
    loops.largest = largest
    return loops.finish(name, ReadoutMode.LAST)


def counted_in_units_of_200(loops: Loops) -> str:
    theta = np.array([[9, 99, 999, 2999]]).repeat(4, axis=0)
    op = Threshold(theta, np.zeros(4, np.bool_), offset=-500, unit=200)
    return loops.add("far", op, "product")


def beside_the_input(loops: Loops) -> str:
    return loops.add("beside", Concatenate(), "product", "input")


def added_beyond_16_bits(loops: Loops) -> str:
    return loops.add("eightfold", Add(), *["product"] * 8)


def integrated(loops: Loops) -> str:
    loops.add("cells", Membrane(np.array([9, 20, 30, 90]), decay=410), "product")
    return "cells"


def delayed(loops: Loops) -> str:
    """A first value that is far beyond the levels whose scale it has."""
    loops.delay("late", "left", (4,), 4000, initial=3917)
    return loops.add("beside", Concatenate(), "late", "product")


WIDENED: dict[str, tuple[Callable[[], Graph], str]] = {
    "weights beyond 127": (lambda: products(lambda _: "product", largest=300), "product"),
    "sums beyond 16 bits": (lambda: products(lambda _: "product", largest=127), "product"),
    "a unit beyond 127": (lambda: products(counted_in_units_of_200), "product"),
    "channels side by side": (lambda: products(beside_the_input), "product"),
    "an addition": (lambda: products(added_beyond_16_bits), "product"),
    "a pool": (
        lambda: products(
            lambda loops: loops.add("pool", SumPool2d((2, 2), (2, 2)), "product"), size=(4, 2)
        ),
        "product",
    ),
    "membranes": (lambda: products(integrated), "product"),
    "a delay beyond its levels": (lambda: products(delayed), "late"),
}
"""Nets by what reads 16-bit values in float32, and what these values are."""


@pytest.mark.parametrize("name", WIDENED)
def test_16_bit_values_of_any_scale_are_whole_in_float32(name: str) -> None:
    make, layer = WIDENED[name]
    graph = make()
    assert Form.FLOAT in forms(graph).values()
    assert forms(graph)[layer] is Form.INT16
    assert_equal(graph, samples_of(graph))


def test_no_operator_is_emitted_that_widens_to_other_numbers() -> None:
    graph = layers(1)
    emitter = Emitter(make_plan(graph, sixteen=True), 1)
    scale = float(np.float32(activation_scale(65) ** 2))
    value = emitter.declare("product", (4,), Storage(Form.INT16, scale))
    with pytest.raises(ValueError, match=r"numbers up to 32768 with the scale .* are not whole"):
        emitter.convert(value, FLOAT32)


@pytest.mark.parametrize(
    ("name", "layer", "why"),
    [
        ("an addition", "eightfold", "16 bits do not hold 0..33800"),
        ("a pool", "pool", "int8 does not hold 0..16900, and no 16-bit form of it is planned"),
        (
            "channels side by side",
            "beside",
            "int8 does not hold 0..4225, and no 16-bit form of it is planned",
        ),
    ],
)
def test_reasons_for_float32_behind_a_product(name: str, layer: str, why: str) -> None:
    assert make_plan(WIDENED[name][0](), sixteen=True).nodes[layer].why == why


@pytest.mark.parametrize("levels", [256, 300, 800, 1020, 1021, 1684])
@pytest.mark.parametrize("largest", [1, 300])
def test_a_line_has_no_more_levels_than_have_a_scale(levels: int, largest: int) -> None:
    loops = Loops((1,), 0, 255, largest=127)
    sums = loops.weigh("sums", "input", 1)
    theta = int(loops.tensors[sums].low[0]) + 5 + 16 * np.arange(levels)
    loops.add("levels", Threshold(theta[None], np.zeros(1, np.bool_)), sums)
    loops.largest = largest
    graph = loops.finish("levels", ReadoutMode.LAST)
    assert forms(graph)["levels"] is (Form.INT16 if levels <= 4 * 255 else Form.FLOAT)
    assert_equal(graph, np.arange(255)[:, None, None].repeat(graph.steps, axis=1))


def test_comparisons_are_clamped_to_spikes() -> None:
    """RELU6 clamps to ``round(6 / scale)``."""
    assert Storage(Form.INT16, activation_scale(1)) == SUMS
    assert round(6 / SUMS.scale) == 1


def test_units_that_no_weight_holds_stay_in_float32() -> None:
    loops = Loops((3,), 0, 15, largest=20)
    sums = loops.weigh("sums", "input", 4)
    theta = np.array([[-60, 0, 1, 90]]).repeat(4, axis=0)
    loops.add("far", Threshold(theta, np.zeros(4, np.bool_), offset=-500, unit=200), sums)
    graph = loops.finish("far", ReadoutMode.SUM)
    plan = make_plan(graph, sixteen=True)
    assert plan.nodes["far"].why == "a unit of 200 is beyond 127"
    assert_equal(graph, samples_of(graph))


def test_sums_that_thresholds_compare_are_not_computed_in_parts() -> None:
    """Float32 would compare them anyway."""
    loops = Loops((4,), 0, 255, largest=127)
    loops.weigh("sums", "input", 4)
    far = Threshold(np.array([[300]] * 4), np.zeros(4, np.bool_), unit=200)
    loops.add("far", far, "sums")
    loops.add("also", far, "sums")
    loops.add("both", Concatenate(), "far", "also")
    graph = loops.finish("both", ReadoutMode.LAST)
    plan = make_plan(graph, sixteen=True).nodes["sums"]
    assert plan.tiles is None
    assert plan.output.form is Form.FLOAT
    assert_equal(graph, samples_of(graph))


@pytest.mark.parametrize("kernel", [None, 3])
def test_sums_of_dense_layers_only_are_computed_in_parts_for_membranes(kernel: int | None) -> None:
    """A convolution would be computed again at each of its places."""
    loops = Loops((4,) if kernel is None else (4, 3, 3), 0, 255, largest=127)
    loops.weigh("sums", "input", 4, kernel=kernel)
    loops.add("cells", Membrane(np.array([900, 2000, 3000, 9000]), decay=410), "sums")
    graph = loops.finish("cells", ReadoutMode.LAST)
    assert (make_plan(graph, sixteen=True).nodes["sums"].tiles is not None) == (kernel is None)
    assert_equal(graph, samples_of(graph))


def test_a_convolution_is_not_computed_again_for_more_thresholds() -> None:
    """Each of its places would be."""
    loops = Loops((2, 3, 3), 0, 255, largest=127)
    sums = loops.weigh("sums", "input", 3, kernel=3)
    loops.count("levels", sums, 6, even=False)
    graph = loops.finish("levels", ReadoutMode.LAST)
    assert isinstance(graph["sums"].op, Conv2d)
    assert forms(graph)["levels"] is Form.FLOAT
    assert_equal(graph, samples_of(graph))
