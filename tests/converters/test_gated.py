"""Gated recurrent nets of levels become graphs that give the same number at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from edgespike.converters import convert, load  # noqa: E402
from edgespike.converters.torch.agreement import agreement  # noqa: E402
from edgespike.converters.torch.checkpoints import check_checkpoint  # noqa: E402
from edgespike.counting import Convention, audit, count  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.graph import Multiply, Signal, Threshold  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.nn import (  # noqa: E402
    QuantGRU,
    QuantRNN,
    RecurrentSpec,
    build,
    count_synaptic_operations,
    save_model,
)
from edgespike.targets import get_target, prepare  # noqa: E402

pytestmark = pytest.mark.torch

SHAPE = (6, 5)
SPEC = RecurrentSpec(SHAPE, 3, 7, cell="gru", activation="levels", activation_states=31)
KINDS = [(3, 3, 1), (9, 2, 2), (31, 9, 1), (255, 16, 2)]
"""States of units and of gates, and layers."""

kinds = pytest.mark.parametrize(("states", "gate_states", "layers"), KINDS)


def net(states: int = 31, gate_states: int = 9, layers: int = 1, **changes: Any) -> nn.Sequential:
    """Build a net with biases that reach most levels."""
    spec = replace(SPEC, activation_states=states, gate_states=gate_states, layers=layers)
    torch.manual_seed(3)
    model = build(replace(spec, **changes))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return model.eval()


def sequences(samples: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (samples, *SHAPE), dtype=np.uint8)


@kinds
def test_every_number_of_every_step_equals_the_module(
    states: int, gate_states: int, layers: int
) -> None:
    found = agreement(net(states, gate_states, layers).double(), SHAPE, sequences(50))
    gates = ("update", "reset", "candidate")
    update, reset, candidate = (f"{gate}.activation" for gate in gates)
    parts = (update, reset, "remembered", candidate, "state")
    assert [each.path for each in found] == [f"{i + 1}.{p}" for i in range(layers) for p in parts]
    assert {each.neurons for each in found} == {50 * 6 * 7}
    assert [each.different for each in found] == [0] * 5 * layers


@kinds
def test_single_precision_differs_near_ties_only(
    states: int, gate_states: int, layers: int
) -> None:
    found = agreement(net(states, gate_states, layers), SHAPE, sequences(50))
    assert [each.unexplained for each in found] == [0] * 5 * layers


@kinds
def test_the_states_and_logits_of_a_whole_run_are_those_of_the_module(
    states: int, gate_states: int, layers: int
) -> None:
    """Nothing is corrected on the way, as it is where activations are compared one by one."""
    model, x = net(states, gate_states, layers).double(), sequences(40)
    graph = convert(model, SHAPE)
    trace = interpret(graph, x)
    with torch.no_grad():
        hidden = model[:-2](torch.from_numpy(x).double())
        logits = model(torch.from_numpy(x).double()).numpy()
    gru = model[layers]
    assert isinstance(gru, QuantGRU)
    assert np.array_equal(trace.values[f"state{layers}"], torch.round(hidden / gru.step).numpy())
    # The readout's bias is rounded to a whole unit of the accumulator, nothing else differs.
    scale = graph.readout_op.scale
    assert np.abs(trace.accumulators(graph) * scale - logits).max() <= scale[0] / 2 + 1e-9


@kinds
@pytest.mark.parametrize("convention", list(Convention))
def test_operations_are_those_of_the_module_and_of_a_walk(
    states: int, gate_states: int, layers: int, convention: Convention
) -> None:
    model, x = net(states, gate_states, layers).double(), sequences(5)
    model.get_parameter("1.candidate.recurrent.weight").data[:, ::2] = 0
    graph = convert(model, SHAPE)
    trace = interpret(graph, x)
    counts, walk = count(graph, x, trace), audit(graph, x, trace)
    rows = {
        row.name: int(
            (row.synaptic_operations[convention] + row.multiply_accumulates[convention]).sum()
        )
        for row in counts.layers
    }
    found = count_synaptic_operations(model, torch.from_numpy(x).double(), convention)
    # What the first layer receives are pixels, which the module does not count.
    pixels = sum(rows[name] for name in ("dense1", "dense3", "dense5"))
    assert sum(int(each.sum()) for each in found.values()) == sum(rows.values()) - pixels
    assert int(found["1.admitted"].sum()) == rows["product1"] > 0
    assert int(found["1.kept"].sum()) == rows["product2"]
    assert int(found["1.renewed"].sum()) == rows["product3"]
    total = walk.synaptic_operations[convention] + walk.multiply_accumulates[convention]
    assert total == sum(rows.values())
    assert walk.agrees(counts)


@pytest.mark.parametrize("target", ["cpu", "tflite"])
@kinds
def test_targets_run_it(target: str, states: int, gate_states: int, layers: int) -> None:
    graph, x = convert(net(states, gate_states, layers), SHAPE), sequences(20)
    assert get_target(target).violations(graph) == []
    expected, runner = interpret(graph, x), prepare(graph, target)
    for name, values in runner.trace(x).values.items():
        assert np.array_equal(values, expected.values[name]), name


def test_the_gates_read_as_their_names() -> None:
    graph = convert(net(31, 9), SHAPE)
    products = {node.name: node.inputs for node, _ in graph.of_type(Multiply)}
    assert products == {
        "product1": ("reset1", "delay1"),
        "product2": ("update1", "delay1"),
        "product3": ("renewal1", "candidate1"),
    }
    update, renewal = (graph[name].op for name in ("update1", "renewal1"))
    assert isinstance(update, Threshold)
    assert isinstance(renewal, Threshold)
    assert np.array_equal(update.theta, renewal.theta)
    assert renewal.flipped.all()
    values = interpret(graph, sequences(30)).values
    assert (values["update1"] + values["renewal1"] == 8).all()
    state = graph.tensors["state1"]
    assert (state.bounds, state.signal) == ((-15, 15), Signal.GRADED)


def test_an_rnn_and_a_gru_of_levels_may_follow_each_other() -> None:
    scale, first, last, readout = net(31, 9)
    assert isinstance(first, QuantGRU)
    second = QuantRNN(7, 7, first.step, states=31)
    model = nn.Sequential(scale, first, second, last, readout).double()
    found = agreement(model, SHAPE, sequences(20))
    assert [each.different for each in found] == [0] * 6


def test_an_input_of_few_states_comes_before_the_gates() -> None:
    found = agreement(net(31, 9, input_states=4).double(), SHAPE, sequences(20))
    assert found[0].path == "1"
    assert [each.different for each in found] == [0] * 6


def test_a_checkpoint_is_converted_and_checked(tmp_path: Path) -> None:
    save_model(tmp_path / "net", build(SPEC), SPEC)
    assert load(tmp_path / "net").input_op.shape == (5,)
    found = check_checkpoint(tmp_path / "net", sequences(10))
    assert [each.unexplained for each in found] == [0] * 5


def changed(change: Callable[[nn.Sequential], Any]) -> nn.Sequential:
    model = net()
    change(model)
    return model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m[0], "_maximum", 15), "1.update was made for an input in units of 0.0"),
        (lambda m: m[1].kept.register_forward_hook(print), r"1\.kept has forward hooks"),
        (
            lambda m: m[1].reset.input.register_forward_hook(print),
            r"1\.reset\.input has forward hooks",
        ),
        (lambda m: setattr(m[1], "kept", nn.Identity()), r"1\.kept is a Identity, not a EventProd"),
        (
            lambda m: setattr(m[1].update, "activation", m[1].candidate.activation),
            r"1\.update\.activation is a TanhLevels, not a SigmoidLevels",
        ),
        (lambda m: setattr(m[1], "forward", torch.relu), "1 has a forward function of its own"),
        (lambda m: nn.init.constant_(m[1].reset.input.weight, np.nan), r"1\.reset\.input has 35"),
        (lambda m: nn.init.constant_(m[1].candidate.bias, np.inf), "bias of channel 0 is inf"),
        (lambda m: m.pop(2), "its parts are InputScale, QuantGRU, QuantLinear; a recurrent net"),
    ],
)
def test_what_may_compute_something_else_is_refused(
    change: Callable[[nn.Sequential], Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(changed(change), SHAPE)


def test_half_precision_is_read_exactly() -> None:
    half = changed(lambda m: m.bfloat16())
    assert convert(half, SHAPE) == convert(half.float(), SHAPE)
