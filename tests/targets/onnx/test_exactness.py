"""What ONNX Runtime computes equals the interpreter, however a layer is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Concatenate,
    Delay,
    Emits,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import interpret
from edgespike.targets import get_target, prepare
from edgespike.targets.onnx import requantise, run
from edgespike.targets.onnx import thresholds as thresholds_module
from edgespike.targets.onnx.guesses import Guess
from edgespike.targets.onnx.lower import LOGITS, lower
from edgespike.targets.onnx.run import Session, encode_input
from edgespike.targets.onnx.thresholds import Method, method
from edgespike.targets.onnx.walk import merged
from edgespike.threads import at_most
from edgespike.trace import logits
from tests.available import available
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for
from tests.targets.onnx.graphs import NETS, chain, conv, dense, random_samples, thresholds
from tests.targets.tflite.networks import samples_of

onnx: Any = pytest.importorskip("onnx")

RNG = np.random.default_rng(18)


@pytest.fixture(autouse=True)
def _installed() -> None:
    available("onnx")


def assert_equal(graph: Graph, samples: NDArray[Any] | None = None) -> None:
    samples = random_samples(graph) if samples is None else samples
    assert get_target("onnx").violations(graph) == []
    expected, found = interpret(graph, samples), prepare(graph, "onnx").trace(samples)
    assert found.values.keys() == expected.values.keys()
    for name, values in expected.values.items():
        np.testing.assert_array_equal(found.values[name], values, err_msg=name)


@pytest.mark.parametrize("name", NETS)
def test_every_operation_and_geometry(name: str) -> None:
    graph = NETS[name]()
    assert_equal(graph, samples_of(graph))


RANGES = [
    (0, 1),
    (0, 255),
    (-128, 127),
    (-1, 254),
    (-255, 0),
    (-100, 27),
    (3, 9),
    (0, 256),
    (-129, 127),
    (1000, 1100),
    (-300, -200),
    (0, 65_535),
    (-40_000, 70_000),
    (0, 2**31),
    (-(2**40), 2**33 + 5),
]
LARGEST_WEIGHTS = [1, 64, 127, 128, 255, 32_768, 2**20]


@pytest.mark.parametrize("largest", LARGEST_WEIGHTS)
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_inputs_and_weights_of_any_width(low: int, high: int, largest: int) -> None:
    if max(-low, high) * largest * 30 > 2**53:
        largest = 1
    weight = RNG.integers(-largest, largest + 1, (3, 2, 3, 2))
    weight[0, 0, 0], weight[1, 0, 0] = -largest, largest
    source = Input((2, 4, 5), low, high, 1.0)
    assert_equal(chain(source, conv(weight, [0, -7, largest], padding=(1, 0, 2, 1))))
    assert_equal(chain(source, conv(weight[:2, :1], 3, padding=(0, 1), stride=(2, 1), groups=2)))
    assert_equal(chain(Input((8,), low, high, 1.0), dense(weight.reshape(3, -1)[:, :8], [1, 0, 5])))


@pytest.mark.parametrize("high", [255, 256, 70_000, 2**33])
def test_pools_of_any_width(high: int) -> None:
    for kernel, stride, padding in (((3, 2), (1, 2), (1, 0)), ((4, 5), (1, 1), (0, 0))):
        for pool in (MaxPool2d, SumPool2d):
            source = Input((2, 4, 5), 0, high, 1.0)
            assert_equal(chain(source, pool(kernel, stride, padding)))


@pytest.mark.parametrize("padding", [(0, 3, 0, 2), (2, 1, 1, 3), (2, 2, 2, 2)])
def test_padding_beyond_the_last_window(padding: tuple[int, ...]) -> None:
    for pool in (MaxPool2d, SumPool2d):
        op = pool((3, 3), (4, 5), padding)
        assert_equal(chain(Input((2, 3, 3), 0, 9, 1.0), op))


@pytest.mark.parametrize("extreme", [2**31 - 3, 2**31 - 2, 2**31 - 1, 2**31, 2**32, 2**53 - 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_accumulators_at_the_edge_of_a_type(extreme: int, sign: int) -> None:
    """Both sides of a threshold, in int32 as long as one more than the largest fits."""
    source = Input((1,), 0, 1, 1.0)
    copy = dense([[sign]], sign * (extreme - 1))
    theta = [[sign * extreme], [sign * (extreme - 1)]]
    two = dense([[sign], [sign]], sign * (extreme - 1))
    for op in (thresholds(theta), thresholds(theta, flipped=[True, False])):
        assert_equal(chain(source, two, op), np.array([[0], [1]]))
    assert_equal(chain(source, copy), np.array([[0], [1]]))


LEVELS = [1, 2, 7, 8, 63, 64, 255, 256, 1000]


@pytest.mark.parametrize("spread", [1, 3, 40_000])
@pytest.mark.parametrize("levels", LEVELS)
def test_every_value_around_every_threshold(levels: int, spread: int) -> None:
    reach = levels * spread
    theta = RNG.integers(-reach, reach, (4, levels))
    theta[0] = np.arange(levels) * spread  # evenly spaced
    theta[1] = theta[1, 0]  # all equal
    flipped = [False, True, True, False]
    source = Input((4, 1, 1), -reach - 2, reach + 2, 1.0)
    around = np.unique([theta + shift for shift in (-1, 0, 1)])
    samples = np.concatenate([[source.low], around, [source.high]])[:, None, None, None]
    for values in ({}, {"offset": -levels // 2}, {"offset": 5, "unit": 3}):
        op = thresholds(theta, flipped, **values)
        assert_equal(chain(source, op), np.repeat(samples, 4, axis=1))


def test_each_method_is_used() -> None:
    def chosen(levels: int, spread: int, power: float = 1) -> object:
        theta = (np.arange(levels)[None] * spread / levels ** (power - 1)) ** power
        source = Input((2,), -spread, 2 * int(theta.max()), 1.0).infer([], 1)
        return method(thresholds(np.concatenate([theta, theta + 1])), source)

    assert chosen(7, 40_000) is chosen(7, 40_000, 2) is Method.COMPARE
    assert chosen(8, 3) is chosen(1000, 3) is Method.TABLE
    assert isinstance(chosen(63, 40_000), Guess)
    assert isinstance(chosen(1000, 40_000), Guess)
    assert chosen(63, 40_000, 2) is chosen(255, 40_000, 2) is Method.SEARCH


def test_very_many_thresholds_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (requantise, thresholds_module):
        monkeypatch.setattr(module, "FITTED_THRESHOLDS", 40)
    op = conv(np.ones((2, 1, 2, 2)))
    graph = chain(Input((1, 4, 4), 0, 99, 1.0), op, thresholds(np.arange(21) * [[11], [13]]))
    assert not merged(graph)
    (counted,) = (op for _, op in graph.of_type(Threshold))
    assert method(counted, graph.tensors["conv2d1"]) is Method.SEARCH
    assert_equal(graph)


@pytest.mark.parametrize("levels", [16, 63, 255, 1000])
@pytest.mark.parametrize("places", [(0, 1), (0.3, 0.6), (-0.5, 0.5), (0.9, 4), (2, 3), (-2, -1)])
def test_every_value_around_almost_even_thresholds(
    levels: int, places: tuple[float, float]
) -> None:
    """Some, or all, thresholds are always reached, or never."""
    reach = 2**29
    ends = np.array(places) * reach
    line = (
        ends[0] + (ends[1] - ends[0]) * (np.arange(levels) + RNG.random((3, levels)) / 2) / levels
    )
    op = thresholds(np.ceil(line), [False, True, False])
    source = Input((3, 1, 1), 0, reach, 1.0)
    around = np.unique([op.theta + shift for shift in (-1, 0, 1)])
    samples = np.unique(np.concatenate([around, RNG.integers(0, reach, 500)]).clip(0, reach))
    assert isinstance(method(op, source.infer([], 1)), Guess) or places[0] in (2, -2)
    assert_equal(chain(source, op), np.repeat(samples[:, None, None, None], 3, axis=1))


@pytest.mark.parametrize("spread", [1, 3, 1000])
def test_65535_levels(spread: int) -> None:
    theta = np.arange(65_535)[None] * spread
    source = Input((1,), -5, 65_535 * spread + 5, 1.0)
    graph = chain(source, thresholds(theta))
    assert_equal(graph, random_samples(graph, 500))


@pytest.mark.parametrize("levels", [1, 3, 15, 255])
@pytest.mark.parametrize(
    ("low", "high", "largest"), [(0, 1, 1), (0, 255, 127), (-128, 127, 127), (-7, 9, 13), (0, 3, 1)]
)
def test_a_convolution_merged_with_its_thresholds(
    low: int, high: int, largest: int, levels: int
) -> None:
    weight = RNG.integers(-largest, largest + 1, (6, 2, 3, 3))
    op = conv(weight, RNG.integers(-9, 10, 6), padding=(1, 1), stride=(1, 2))
    source = Input((2, 5, 6), low, high, 1.0)
    sums = op.infer([source.infer([], 1)], 1)
    reach = np.maximum((sums.high - sums.low) / 3, levels)
    step = reach[:, None] * (np.arange(levels) + RNG.random((6, 1))) / levels
    theta = np.ceil((sums.low + sums.high)[:, None] / 2 - reach[:, None] / 2 + step).astype(int)
    flipped = np.arange(6) % 3 == 1
    even = chain(source, op, thresholds(theta, flipped))
    if levels == 1 or largest == 1:
        assert merged(even)
    assert_equal(even, random_samples(even, 60))
    if levels > 1:
        uneven = chain(source, op, thresholds(np.cbrt(theta - theta[:, :1]) * 3, flipped))
        assert_equal(uneven, random_samples(uneven, 60))


def test_depthwise_and_grouped_convolutions_are_merged_too() -> None:
    source = Input((4, 5, 5), 0, 255, 1.0)
    for groups in (2, 4):
        weight = RNG.integers(-99, 100, (8, 4 // groups, 3, 3))
        op = conv(weight, padding=(1, 1), groups=groups)
        graph = chain(source, op, thresholds(RNG.integers(-999, 999, (8, 1))))
        assert merged(graph)
        assert_equal(graph, random_samples(graph, 50))


@pytest.mark.parametrize("outputs", [*range(15, 34), 48])
def test_products_of_any_number_of_columns(outputs: int) -> None:
    """ONNX Runtime 1.23 is wrong in some of them, on processors with AMX."""
    source = Input((2, 6, 6), 0, 7, 1.0)
    op = conv(RNG.integers(-9, 10, (outputs, 2, 3, 3)))
    levels = thresholds(RNG.integers(-99, 99, (outputs, 1)))
    product = dense(RNG.integers(-9, 10, (outputs, 16 * outputs)))
    merged_graph = chain(source, op, levels, Reshape((16 * outputs,)), product)
    patches = chain(source, op)
    assert merged(merged_graph)
    assert not merged(patches)
    for graph in (merged_graph, patches):
        assert_equal(graph, random_samples(graph, 70))
        assert not wrong_products(graph)


def test_groups_of_any_number_of_columns() -> None:
    op = conv(RNG.integers(-9, 10, (34, 1, 3, 3)), groups=2)
    graph = chain(Input((2, 6, 6), 0, 7, 1.0), op, thresholds(RNG.integers(-99, 99, (34, 1))))
    assert not merged(graph)
    assert not wrong_products(graph)
    assert_equal(graph, random_samples(graph, 70))


def wrong_products(graph: Graph) -> list[str]:
    """Name the products of 17 to 31 columns of int8."""
    model = lower(graph).model.graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in model.initializer}
    found = []
    for node in model.node:
        if node.op_type == "MatMulInteger":
            weight, columns = stored[node.input[1]], stored[node.input[1]].shape[-1]
        elif node.op_type == "QLinearConv":
            groups = next(each.i for each in node.attribute if each.name == "group")
            weight, columns = stored[node.input[3]], len(stored[node.input[3]]) // groups
        else:
            continue
        if weight.dtype == np.int8 and 17 <= columns <= 31:
            found.append(node.name)
    return found


def test_sums_that_others_read_are_not_merged() -> None:
    nodes = chain(Input((1, 3, 3), 0, 7, 1.0), conv(np.ones((1, 1, 2, 2))), thresholds([[9]])).nodes
    conv_name = nodes[1].name
    twice = Node("twice", Add(), (conv_name, conv_name))
    late = Node("late", thresholds([[30]]), ("twice",))
    both = Node("both", Concatenate(), (nodes[2].name, "late"))
    flat = Node("flat", Reshape((8,)), ("both",))
    readout = Node("readout", Readout(np.ones(8)), ("flat",))
    graph = Graph("read-twice", (*nodes[:3], twice, late, both, flat, readout))
    assert not merged(graph)
    assert_equal(graph)


@pytest.mark.parametrize("inputs", [33_000, 40_000])
def test_many_inputs(inputs: int) -> None:
    """Products of stored bytes reach 2.6e9, more than int32 holds; their sum does not."""
    weight = RNG.integers(-127, 128, (3, inputs))
    weight[0] = np.where(np.arange(inputs) % 2, 127, -127)
    graph = chain(Input((inputs,), 0, 255, 1.0), dense(weight))
    assert_equal(graph, random_samples(graph, 3))


HUGE: list[dict[str, Any]] = [
    {"saturation": 2**53, "fraction_bits": 20, "decay_bits": 24, "decay": 7_654_321},
    {"saturation": 2**53, "fraction_bits": 40, "decay_bits": 24, "decay": 1},
    {"saturation": 2**53, "fraction_bits": 6, "decay": 410, "decay_syn": 4095, "floor": -(2**50)},
    {"saturation": 2**53, "fraction_bits": 0, "decay_bits": 24, "decay": 3, "bias": -(2**52)},
]


@pytest.mark.parametrize("parameters", HUGE)
@pytest.mark.parametrize("time", [ResetTime.SAME_STEP, ResetTime.NEXT_STEP])
def test_potentials_up_to_53_bits(parameters: dict[str, Any], time: ResetTime) -> None:
    """A potential times a decay does not fit into 64 bits."""
    most = 2 ** (52 - parameters["fraction_bits"])
    theta = np.array([max(1, most // 5), 3])
    for emits, mode in ((Emits.SPIKES, ReadoutMode.SUM), (Emits.POTENTIAL, ReadoutMode.MAX)):
        op = Membrane(theta, reset_time=time, emits=emits, **parameters)
        ops = (op, dense(np.eye(2))) if emits is Emits.SPIKES else (op,)
        source = Input((2,), -most // 2, most // 2, 1.0)
        graph = chain(source, dense(np.eye(2)), *ops, steps=5, mode=mode)
        assert_equal(graph, random_samples(graph, 40))


@pytest.mark.parametrize("reset", Reset)
@pytest.mark.parametrize("most", [1, 2, 7, 300])
def test_several_spikes_a_step(most: int, reset: Reset) -> None:
    op = Membrane(np.array([1, 9, 40]), decay=99, max_spikes=most, reset=reset, floor=-640)
    graph = chain(Input((3,), -20, 50, 1.0), dense(3 * np.eye(3)), op, steps=6)
    assert_equal(graph, random_samples(graph, 40))


@pytest.mark.parametrize("steps", [1, 2, 300])
@pytest.mark.parametrize("build", [membrane_graph, recurrent_graph])
def test_few_and_many_steps(build: Any, steps: int) -> None:
    graph = build(steps)
    assert_equal(graph, samples_for(graph, 5))


@pytest.mark.parametrize("mode", ReadoutMode)
@pytest.mark.parametrize("low", [-(2**40), -5, 3])
def test_readouts_over_steps(mode: ReadoutMode, low: int) -> None:
    """Also a maximum that is negative at every step."""
    graph = chain(Input((3,), low, low + 9, 1.0), dense(np.eye(3)), steps=4, mode=mode)
    assert_equal(graph)


@pytest.mark.parametrize("steps", [1, 3])
def test_delays_that_begin_anywhere(steps: int) -> None:
    source = Node("input", Input((2,), -9, 9, 1.0))
    first = Node("first", Delay((2,), -9, 9, Signal.GRADED, 5), ("input",))
    second = Node("second", Delay((2,), -300, 9, Signal.GRADED, -300), ("input",))
    both = Node("both", Add(), ("first", "second"))
    sums = Node("sums", dense([[1, 2], [3, -4]]), ("both",))
    readout = Node("readout", Readout(np.ones(2)), ("sums",))
    assert_equal(Graph("delays", (source, first, second, both, sums, readout), steps))


def test_a_sample_shown_at_every_step() -> None:
    graph = membrane_graph()
    assert_equal(graph, samples_for(graph, 6)[:, 0])


def test_batches_of_any_size_run_anew() -> None:
    graph = recurrent_graph()
    runner, samples = prepare(graph, "onnx"), samples_for(graph, 200)
    expected = interpret(graph, samples).values
    for some in (slice(0, 7), slice(7, 8), slice(8, 200), slice(0, 7)):
        for layer, values in runner.trace(samples[some]).values.items():
            np.testing.assert_array_equal(values, expected[layer][some], err_msg=layer)


@pytest.mark.parametrize("build", [residual_graph, recurrent_graph])
def test_large_batches_run_in_parts(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build()
    monkeypatch.setattr(run, "VALUES_AT_ONCE", 3 * graph.steps * graph.values_per_step)
    assert_equal(graph, samples_for(graph, 8))


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads(threads: int) -> None:
    graph = residual_graph()
    runner, samples = prepare(graph, "onnx"), samples_for(graph, 30)
    with at_most(threads):
        found = runner.trace(samples)
    for layer, values in interpret(graph, samples).values.items():
        np.testing.assert_array_equal(found.values[layer], values, err_msg=layer)


@pytest.mark.parametrize("scale", [1e-300, 0.1, 3e7])
def test_logits_are_those_of_edgespike_bit_for_bit(scale: float) -> None:
    source = Input((3,), -50, 50, 0.25)
    nodes = chain(source, dense([[1, 2, 3], [4, 5, -60]])).nodes
    readout = Readout(np.array([scale, scale / 3]))
    graph = Graph("real", (*nodes[:-1], Node("readout", readout, nodes[-1].inputs)))
    samples = random_samples(graph)
    outputs = Session(lower(graph).model).run(encode_input(graph, samples[:, None]))
    expected = logits(graph, interpret(graph, samples).accumulators(graph))
    assert outputs[LOGITS].dtype == np.float64
    np.testing.assert_array_equal(outputs[LOGITS], expected)
