"""ReLU nets as graphs of levels: what the graph computes, what is reported, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgespike
from edgespike.converters.base import ConvertOptions
from edgespike.errors import UnsupportedError
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
    Reals,
)
from edgespike.floats.run import answers, run_steps
from edgespike.graph import Add, Conv2d, Delay, Dense, Graph, ReadoutMode, Threshold
from edgespike.interpreter import interpret
from edgespike.quantise import quantise
from edgespike.quantise.layer_rounding import windows
from edgespike.quantise.levels.level_steps import best_steps
from edgespike.quantise.levels.rewriting import rewritten
from edgespike.quantise.result import Quantised
from edgespike.quantise.rounding import best_units, largest, rounded
from edgespike.trace import logits
from tests.available import available
from tests.quantise.levels.nets import (
    NETS,
    Nodes,
    as_reals,
    plain,
    recurrent,
    samples,
    sequences,
    stepped,
)


def quantised(net: FloatNet, **options: Any) -> Quantised:
    given: dict[str, Any] = {"calibrate": samples(net), "input_scale": 1 / 255, **options}
    return quantise(net, ConvertOptions(**given), "net")


def error(net: FloatNet, graph: Graph, seed: int = 2) -> float:
    """Return the error of the logits on other samples, as a part of their deviation."""
    x = samples(net, 200, seed)
    expected = answers(net, as_reals(x))
    found = logits(graph, interpret(graph, x).accumulators(graph))
    return float(np.sqrt(((found - expected) ** 2).mean() / expected.var()))


@pytest.mark.parametrize("name", NETS)
def test_a_graph_is_near_its_net(name: str) -> None:
    net = NETS[name]()
    fine, coarse = quantised(net, bits=8, levels=256), quantised(net, bits=4, levels=16)
    assert error(net, fine.graph) < 0.08
    assert error(net, coarse.graph) < 0.25
    assert not fine.warnings
    activations = [node for node in net.nodes if isinstance(node.op, FloatRelu | FloatTanh)]
    assert {node.name for node in activations} <= set(fine.nodes)
    for float_node, node in fine.nodes.items():
        assert float_node in {x.name for x in net.nodes}
        assert node in fine.graph.tensors


LOOPS = [name for name, make in NETS.items() if any(make().of_type(FloatDelay))]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_near_its_net_on_sequences(name: str) -> None:
    net = NETS[name]()
    found = quantised(net, calibrate=sequences(net), levels=256)
    x = sequences(net, 100, seed=2)
    expected = answers(net, as_reals(x))
    ours = logits(found.graph, interpret(found.graph, x).accumulators(found.graph))
    assert np.sqrt(((ours - expected) ** 2).mean() / expected.var()) < 0.08
    # Its answers depend on the steps before the last, more than rounding does.
    assert np.abs(ours - logits_of_last_steps(found.graph, x)).max() > 0.1 * expected.std()


def logits_of_last_steps(graph: Graph, x: NDArray[np.uint8]) -> Reals:
    alone = np.repeat(x[:, -1:], graph.steps, axis=1)
    return logits(graph, interpret(graph, alone).accumulators(graph))


@pytest.mark.parametrize("levels", [16, 256])
@pytest.mark.parametrize("name", LOOPS)
def test_losses_of_loops_are_those_of_the_graph(name: str, levels: int) -> None:
    """What is calibrated with is what the finished graph computes, at every step."""
    net = NETS[name]()
    x = sequences(net)
    found = quantised(net, calibrate=x, levels=levels)
    trace = interpret(found.graph, x, [layer.node for layer in found.layers])
    steps = list(run_steps(net, as_reals(x)))
    names = {node: float_node for float_node, node in found.nodes.items()}
    assert [layer.path for layer in found.layers if layer.different_alone > layer.different] == []
    for layer in found.layers:
        if layer.node not in names:  # levels that a max pool needs
            continue
        op = found.graph[layer.node].op
        assert isinstance(op, Threshold)
        seen = trace.values[layer.node]
        assert layer.values == seen.size
        assert layer.saturated == (seen == op.offset + op.levels).sum()
        values = np.concatenate([step[names[layer.node]] for step in steps])
        low, high = op.offset, op.offset + op.levels
        rows = values.swapaxes(0, 1).reshape(values.shape[1], -1)
        step = best_steps(rows, low, high).reshape(-1, *(1,) * (values.ndim - 2))
        wanted = np.clip(np.floor(values / step + 0.5), low, high)
        by_step = np.moveaxis(seen, 1, 0).reshape(values.shape)
        assert layer.different == (by_step != wanted).sum()


def test_a_loop_on_a_grid_of_powers_of_two_is_kept_exactly() -> None:
    """Its states are whole multiples of 1/4 from 0 to 15/4, for any input."""
    rng = np.random.default_rng(8)
    net = Nodes((6,))
    first, turn = rng.integers(-3, 4, (10, 6)), rng.integers(-1, 2, (10, 10))
    first[:, 0], turn[:, 0] = 3, 1
    driven = net(FloatDense(first / 4.0, rng.integers(-3, 4, 10) / 4.0))
    kept = net(FloatDelay((10,)), "state")
    net(FloatAdd(), driven, net(FloatDense(turn / 1.0, np.zeros(10)), kept))
    net.nodes.append(FloatNode("state", FloatRelu(15 / 4), (net.last,)))
    second = rng.integers(-127, 128, (8, 10))
    second[:, 0] = 127
    net(FloatDense(second / 128.0, rng.integers(-64, 64, 8) / 128.0))
    net(FloatReadout(ReadoutMode.LAST))
    float_net = FloatNet(tuple(net.nodes), steps=7)
    x = rng.integers(0, 2, (200, 7, 6), np.uint8)
    x[0] = 1
    found = quantise(float_net, ConvertOptions(calibrate=x, levels=16), "net")
    others = rng.integers(0, 2, (500, 7, 6), np.uint8)
    ours = logits(found.graph, interpret(found.graph, others).accumulators(found.graph))
    assert np.array_equal(ours, answers(float_net, others.astype(np.float64)))
    assert [layer.different for layer in found.layers] == [0]


def test_both_ends_of_a_loop_have_the_same_levels() -> None:
    found = quantised(recurrent(), levels=16)
    ((node, delay),) = found.graph.of_type(Delay)
    (name,) = node.inputs
    op = found.graph[name].op
    assert isinstance(op, Threshold)
    assert (delay.low, delay.high) == (op.offset, op.offset + op.levels)
    assert delay.initial == 0
    assert op.levels == 15


def simulated(x: NDArray[np.int64], seen: NDArray[np.int64], bits: int, top: int) -> list[Reals]:
    """Follow the recipe for the net `chain` by itself, with matrices alone.

    Returns
    -------
    levels
        Of the convolution, pooled, and of the dense layer, on ``seen``.
    """
    net = chain()
    conv, affine, dense = (net.nodes[i].op for i in (1, 2, 6))
    assert isinstance(conv, FloatConv2d)
    assert isinstance(affine, FloatAffine)
    assert isinstance(dense, FloatDense)
    (floats,) = run_steps(net, x / 255)
    most = largest(8 if bits <= 4 else bits)  # it is the first layer

    def on_grid(y: Reals, step: Reals) -> Reals:
        return np.asarray(np.clip(np.floor(y / step + 0.5), 0, top))

    # The convolution as a matrix product of all its windows.
    real = (conv.weight * affine.scale[:, None, None, None]).reshape(4, -1) / 255
    unit = best_units(real, most)
    whole = rounded(real / unit[:, None], next(windows(conv, x)), most)
    step = best_steps(floats["pool2d4"].swapaxes(0, 1).reshape(4, -1), 0, top)
    line = [
        np.polyfit(sums, wanted, 1)
        for sums, wanted in zip(
            whole @ next(windows(conv, x)).T, floats["affine2"].swapaxes(0, 1).reshape(4, -1),
            strict=True,
        )
    ]  # fmt: skip

    def first(x: NDArray[np.int64]) -> Reals:
        sums = (next(windows(conv, x)) @ whole.T).reshape(len(x), 6, 6, 4)
        levels = on_grid(sums * [s for s, _ in line] + [b for _, b in line], step)
        blocks = levels.reshape(len(x), 3, 2, 3, 2, 4).max(axis=(2, 4))
        return np.asarray(np.moveaxis(blocks, 3, 1).reshape(len(x), 36))

    real = dense.weight * np.repeat(step, 9)
    unit = best_units(real, largest(bits))
    inputs = first(x)
    whole2 = rounded(real / unit[:, None], inputs.astype(np.float32), largest(bits))
    step2 = best_steps(floats["relu7"].T, 0, top)
    sums = inputs @ whole2.T
    line2 = [np.polyfit(sums[:, i], floats["dense6"][:, i], 1) for i in range(8)]
    levels = first(seen)
    after = levels @ whole2.T * [s for s, _ in line2] + [b for _, b in line2]
    return [levels.reshape(len(seen), 4, 3, 3), on_grid(after, step2)]


def chain() -> FloatNet:
    rng = np.random.default_rng(3)
    ops: list[FloatOp] = [
        FloatConv2d(rng.normal(size=(4, 2, 3, 3)) / 4, rng.normal(size=4) / 8),
        FloatAffine(np.array([1.0, -2, 0.5, 1]), rng.normal(size=4) / 8),
        FloatRelu(),
        FloatPool2d(Pooling.MAX, (2, 2), (2, 2)),
        FloatReshape((36,)),
        FloatDense(rng.normal(size=(8, 36)) / 6, rng.normal(size=8) / 8),
        FloatRelu(),
        FloatDense(rng.normal(size=(3, 8)), np.zeros(3)),
        FloatReadout(),
    ]
    nodes = [FloatNode("input", FloatInput((2, 8, 8)))]
    for number, op in enumerate(ops, 1):
        name = f"{type(op).__name__.removeprefix('Float').lower()}{number}"
        nodes.append(FloatNode(name, op, (nodes[-1].name,)))
    return FloatNet(tuple(nodes))


@pytest.mark.parametrize(("bits", "levels"), [(8, 16), (8, 4), (4, 16), (2, 8), (8, 2)])
def test_levels_equal_a_simulation_of_the_recipe(bits: int, levels: int) -> None:
    net = chain()
    x, seen = samples(net), samples(net, 50, seed=4)
    graph = quantised(net, bits=bits, levels=levels).graph
    trace = interpret(graph, seen)
    found = [trace.values[name][:, 0] for name in trace.values if name != graph.readout.name]
    pooled, dense = simulated(x.astype(np.int64), seen.astype(np.int64), bits, levels - 1)
    assert np.array_equal(found[1], pooled)
    assert np.array_equal(found[2], dense)
    assert np.ptp(dense) > 0


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_whole_weights_are_kept(bits: int) -> None:
    """Weights on a grid of powers of two lose nothing, and so do the logits."""
    rng, most = np.random.default_rng(bits), largest(bits)
    weight = rng.integers(-most, most + 1, (4, 12))
    weight[:, 0] = most
    net = Nodes((12,))
    net(FloatDense(weight / 16.0, rng.integers(-99, 99, 4) / 16.0))
    net(FloatReadout())
    plain_net = FloatNet(tuple(net.nodes))
    x = rng.integers(0, 4, (64, 12), np.uint8)
    found = quantise(plain_net, ConvertOptions(calibrate=x, bits=bits), "net")
    dense = found.graph["dense1"].op
    assert isinstance(dense, Dense)
    expected = weight if bits > 4 else dense.weight  # the only layer has 8 bits then
    assert np.array_equal(dense.weight, expected)
    ours = logits(found.graph, interpret(found.graph, x).accumulators(found.graph))
    assert np.array_equal(ours, answers(plain_net, x.astype(np.float64)))


def test_a_net_on_a_grid_of_powers_of_two_is_kept_exactly() -> None:
    """All its activations are whole multiples of 1/4 up to 15/4, for any input."""
    rng = np.random.default_rng(8)
    net = Nodes((6,))
    first = rng.integers(-3, 4, (10, 6))
    first[:, 0] = 3
    net(FloatDense(first / 4.0, rng.integers(-3, 4, 10) / 4.0))
    net(FloatRelu(15 / 4))
    second = rng.integers(-127, 128, (8, 10))
    second[:, 0] = 127
    net(FloatDense(second / 128.0, rng.integers(-64, 64, 8) / 128.0))
    net(FloatReadout())
    float_net = FloatNet(tuple(net.nodes))
    x = rng.integers(0, 2, (200, 6), np.uint8)
    x[0] = 1
    found = quantise(float_net, ConvertOptions(calibrate=x, levels=16), "net")
    every = np.array(list(np.ndindex(*(2,) * 6)), np.uint8)
    ours = logits(found.graph, interpret(found.graph, every).accumulators(found.graph))
    assert np.array_equal(ours, answers(float_net, every.astype(np.float64)))
    assert found.flipped == 0
    assert [layer.different for layer in found.layers] == [0]


@pytest.mark.parametrize(
    "name",
    [
        *("plain", "identity_block", "averaged", "concatenated", "separable", "squashed"),
        *("recurrent", "two_loops", "step_before", "image_loop"),
    ],
)
@pytest.mark.parametrize("target", ["cpu", "tflite"])
def test_targets_compute_the_graph(name: str, target: str) -> None:
    net = NETS[name]()
    graph = quantised(net).graph
    available(target)
    x = sequences(net, 20, 3) if net.steps > 1 else samples(net, 20, 3)
    found = edgespike.verify(graph, x, [target])
    assert found.equal, found


@pytest.mark.parametrize("name", NETS)
def test_rewriting_changes_no_answer(name: str) -> None:
    net = NETS[name]()
    ordered, moved = rewritten(net)
    x = as_reals(samples(net, 20))
    assert np.array_equal(answers(net, x), answers(ordered, x))
    (before, *_), (after, *_) = list(run_steps(net, x)), list(run_steps(ordered, x))
    for node in net.nodes:
        if node.name not in moved:
            assert np.array_equal(before[node.name], after[node.name]), node.name


def test_pools_move_behind_activations() -> None:
    ordered, moved = rewritten(NETS["pool_first"]())
    kinds = [type(node.op).__name__ for node in ordered.nodes]
    assert kinds[1:5] == ["FloatConv2d", "FloatAffine", "FloatRelu", "FloatPool2d"]
    assert len(moved) == 3
    kept, moved = rewritten(NETS["flipped_pool"]())
    assert [type(node.op).__name__ for node in kept.nodes][2:4] == ["FloatPool2d", "FloatAffine"]
    assert not moved


@pytest.mark.parametrize(
    ("bits", "first", "body", "last"),
    [(8, 127, 127, 127), (5, 15, 15, 15), (4, 127, 7, 127), (2, 127, 1, 127)],
)
def test_bits_of_the_ends_and_of_the_body(bits: int, first: int, body: int, last: int) -> None:
    net = Nodes((20,))
    net.dense(20, 16), net.relu(), net.dense(16, 12), net.relu(), net.dense(12, 5)
    net(FloatReadout())
    found = quantised(FloatNet(tuple(net.nodes)), bits=bits)
    most = [int(np.abs(op.weight).max()) for _, op in found.graph.of_type(Dense)]
    assert [a <= b for a, b in zip(most, (first, body, last), strict=True)] == [True] * 3
    assert most[0] > first // 2
    assert most[2] > last // 2


def test_the_default_is_8_bits_and_16_levels() -> None:
    found = quantised(plain())
    assert {op.levels for _, op in found.graph.of_type(Threshold)} == {15}
    assert any("8 bits, activations 16 levels" in line for line in found.assumed)


def test_an_identity_branch_has_an_exact_whole_factor() -> None:
    found = quantised(NETS["identity_block"]())
    (passed,) = (op for _, op in found.graph.of_type(Conv2d) if op.groups == 6)
    assert passed.weight.shape == (6, 1, 1, 1)
    assert (passed.weight >= 1).all()
    assert any(isinstance(node.op, Add) for node in found.graph.nodes)


def test_activations_that_are_added_share_their_steps() -> None:
    found = quantised(NETS["added_events"]())
    (add,) = (node for node in found.graph.nodes if isinstance(node.op, Add))
    assert all(isinstance(found.graph[name].op, Threshold) for name in add.inputs)


def test_the_report_counts_what_differs() -> None:
    net = chain()
    x = samples(net)
    labels = answers(net, as_reals(x)).argmax(axis=1)
    found = quantised(net, labels=labels, levels=4, bits=4)
    assert found.accuracy_before == 1.0
    assert found.accuracy_after == pytest.approx(1 - found.flipped / found.samples)
    assert found.samples == len(x)
    first, second = found.layers
    trace = interpret(found.graph, x)
    (floats,) = run_steps(net, as_reals(x))
    steps = best_steps(floats["pool2d4"].swapaxes(0, 1).reshape(4, -1), 0, 3)
    wanted = np.clip(np.floor(floats["relu3"] / steps[:, None, None] + 0.5), 0, 3)
    seen = trace.values[first.node][:, 0]
    assert first.values == seen.size
    assert first.different == first.different_alone == (seen != wanted).sum()
    assert first.saturated == (seen == 3).sum()
    assert second.different_alone <= second.different
    assert found.worst in (first, second)
    assert not found.exact


def test_few_samples_of_many_are_used_and_the_same_each_time() -> None:
    net = NETS["dense_only"]()
    x = samples(net, 300)
    one, two = (quantised(net, calibrate=x).graph.hash for _ in range(2))
    assert one == two
    assert any("256 of 300 samples" in line for line in quantised(net, calibrate=x).assumed)


def test_floats_and_integers_give_the_same_graph() -> None:
    net = plain()
    x = samples(net)
    x[0, 0, 0, 0] = 255  # so that the grid of the reals is that of the bytes
    reals = quantised(net, calibrate=x / 256, input_scale=None)
    assert reals.graph.hash == quantised(net, calibrate=x, input_scale=1 / 256).graph.hash


def test_samples_of_several_steps_calibrate_as_many_samples() -> None:
    net = stepped()
    x = samples(net, 60).reshape(20, 3, 20)
    found = quantised(net, calibrate=x)
    assert found.graph.steps == 3
    trace = interpret(found.graph, x)
    expected = answers(net, as_reals(x))
    ours = logits(found.graph, trace.accumulators(found.graph))
    assert np.sqrt(((ours - expected) ** 2).mean() / expected.var()) < 0.3


def test_a_silent_and_a_saturated_layer_are_named() -> None:
    def warning(bias: float) -> str:
        net = Nodes((20,))
        net(FloatDense(net.rng.normal(size=(16, 20)), np.full(16, bias)))
        net(FloatRelu(1.0))
        net.dense(16, 5), net(FloatReadout())
        (found,) = quantised(FloatNet(tuple(net.nodes))).warnings
        return found

    assert warning(-100).startswith("net.relu2 never fires on the samples for calibration")
    assert warning(100).startswith("net.relu2: 100% of its values are at the highest level")


def broken(op: Any) -> FloatNet:
    net = Nodes((4,))
    net(op)
    net(FloatReadout())
    return FloatNet(tuple(net.nodes))


def test_everything_that_has_no_integer_form_is_listed() -> None:
    net = Nodes((4,))
    net(FloatDense(np.full((4, 4), np.nan), np.zeros(4)))
    net(FloatDelay((4,)), net.last)
    net(FloatAdd(), "dense1", net.last)
    net(FloatRelu(0.0))
    net(FloatReadout())
    with pytest.raises(UnsupportedError) as caught:
        quantise(FloatNet(tuple(net.nodes)), ConvertOptions(bits=9), "net")
    text = str(caught.value)
    assert "net.dense1: weight has 16 values that are not finite" in text
    assert "net.relu4 has the maximum 0.0; give a positive one" in text
    assert "net.delay2 keeps net.dense1 for the next step, which is no activation" in text
    assert "bits is 9; give 2 (weights -1, 0 and 1) to 8" in text


def test_values_that_are_not_finite_are_found_on_the_samples() -> None:
    net = broken(FloatAffine(np.full(4, 1e300), np.zeros(4)))
    x = np.arange(8.0).reshape(2, 4) * 1e200
    options = ConvertOptions(calibrate=x)
    with pytest.raises(UnsupportedError, match=r"net\.affine1 has values that are not finite"):
        quantise(net, options, "net")


def test_a_bias_that_no_accumulator_holds_is_refused() -> None:
    net = Nodes((20,))
    net.dense(20, 5), net.relu()
    net(FloatDense(np.eye(5) * 1e-20, np.arange(5.0)))
    net(FloatReadout())
    with pytest.raises(UnsupportedError, match=r"net\.dense3 adds .* units of its accumulator"):
        quantised(FloatNet(tuple(net.nodes)))


def test_an_affine_map_behind_the_last_pool_is_refused() -> None:
    net = Nodes()
    net.conv(2, 5)
    net(FloatPool2d(Pooling.AVERAGE, (8, 8), (8, 8)))
    net.affine(5)
    net(FloatReshape((5,)))
    net(FloatReadout())
    with pytest.raises(UnsupportedError, match="an affine map follows the last sums"):
        quantised(FloatNet(tuple(net.nodes)))
