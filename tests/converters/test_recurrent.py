"""Recurrent nets of levels become graphs that give the same level at every step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
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
from edgespike.graph import Delay, Graph, ReadoutMode  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.nn import (  # noqa: E402
    InputScale,
    LastStep,
    QuantLinear,
    QuantRNN,
    Recurrent,
    RecurrentSpec,
    RoundClip,
    build,
    count_synaptic_operations,
    save_model,
)

pytestmark = pytest.mark.torch

SHAPE = (6, 5)
KINDS = [("relu", 2), ("relu", 16), ("tanh", 3), ("tanh", 17)]
kinds = pytest.mark.parametrize(("nonlinearity", "states"), KINDS)


def net(
    nonlinearity: Any = "tanh", states: int = 17, layers: int = 1, input_states: int = 0
) -> nn.Sequential:
    """Build a net with weights and biases that reach most levels."""
    spec = RecurrentSpec(
        SHAPE,
        classes=3,
        hidden=7,
        layers=layers,
        nonlinearity=nonlinearity,
        activation="levels",
        activation_states=states,
        input_states=input_states,
    )
    torch.manual_seed(3)
    model = build(spec)
    for layer in model:
        if isinstance(layer, QuantRNN):
            nn.init.normal_(layer.bias)
            if nonlinearity == "relu" and layer.input.input_step < 1:
                layer.input.weight.data *= 60
    return model.eval()


def sequences(samples: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (samples, *SHAPE), dtype=np.uint8)


@kinds
@pytest.mark.parametrize("layers", [1, 2])
def test_every_level_of_every_step_equals_the_module(
    nonlinearity: Any, states: int, layers: int
) -> None:
    model = net(nonlinearity, states, layers)
    found = agreement(model.double(), SHAPE, sequences(50))
    assert [layer.path for layer in found] == [f"{i + 1}.activation" for i in range(layers)]
    assert [layer.neurons for layer in found] == [50 * 6 * 7] * layers
    assert [(layer.different, layer.near_ties) for layer in found] == [(0, 0)] * layers


@kinds
def test_single_precision_differs_near_ties_only(nonlinearity: Any, states: int) -> None:
    (layer,) = agreement(net(nonlinearity, states), SHAPE, sequences(50))
    assert layer.unexplained == 0
    assert layer.near_ties < layer.neurons / 100


@kinds
def test_ties_are_reached_by_module_and_graph_alike(nonlinearity: Any, states: int) -> None:
    """A bias puts a threshold exactly on the sum of the first step, with nothing to round."""
    model = net(nonlinearity, states).double()
    rnn, x = model[1], sequences(1)
    assert isinstance(rnn, QuantRNN)
    if nonlinearity == "tanh":
        x[:, 0] = 0  # its thresholds have too many digits for a product to be taken off exactly
    # A unit that is a power of two makes every product exact.
    for part, scale in ((rnn.input, 255.0), (rnn.recurrent, 1 / rnn.step)):
        whole = torch.randint(-100, 101, part.weight.shape).double()
        part.weight.data = whole * 2.0**-10 * scale
    rnn.recurrent.weight.data[0, 0] = 127 * 2.0**-10 / rnn.step
    assert rnn.unit().item() == 2.0**-10
    first = torch.from_numpy(x[0, 0]).double() @ rnn.input.integer_weight().double().T
    threshold = float(rnn.activation.thresholds()[-1])
    rnn.bias.data = threshold - first * 2.0**-10
    # The highest level is reached by all units, and a hair less reaches it in none.
    for bias, level in ((rnn.bias.data, states - 1), (rnn.bias.data - 2.0**-40, states - 2)):
        rnn.bias.data = bias
        graph = convert(model, SHAPE)
        (state,) = (node.inputs[0] for node, _ in graph.of_type(Delay))
        assert interpret(graph, x).values[state][0, 0].tolist() == [level] * 7
        assert torch.round(rnn(torch.from_numpy(x).double() / 255) / rnn.step)[0, 0].tolist() == (
            [level - rnn.activation.zero] * 7
        )


@kinds
def test_the_logits_are_those_of_the_module(nonlinearity: Any, states: int) -> None:
    model = net(nonlinearity, states, layers=2).double()
    graph = convert(model, SHAPE)
    logits = interpret(graph, sequences(40)).accumulators(graph) * graph.readout_op.scale
    with torch.no_grad():
        expected = model(torch.from_numpy(sequences(40)).double()).numpy()
    # The readout's bias is rounded to a whole unit of the accumulator, nothing else differs.
    assert np.abs(logits - expected).max() <= graph.readout_op.scale[0] / 2 + 1e-9


@kinds
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("convention", list(Convention))
def test_operations_are_those_of_the_module_and_of_a_walk(
    nonlinearity: Any, states: int, layers: int, convention: Convention
) -> None:
    model, x = net(nonlinearity, states, layers).double(), sequences(5)
    model.get_parameter("1.recurrent.weight").data[:, ::2] = 0
    graph = convert(model, SHAPE)
    trace = interpret(graph, x)
    counts, walk = count(graph, x, trace), audit(graph, x, trace)
    expected = [
        int((layer.synaptic_operations[convention] + layer.multiply_accumulates[convention]).sum())
        for layer in counts.layers
        if layer.name.startswith("dense")
    ]
    found = count_synaptic_operations(model, torch.from_numpy(x).double(), convention)
    # What the first layer receives are pixels, which the module does not count.
    assert [int(layer.sum()) for layer in found.values()] == expected[1:]
    total = walk.synaptic_operations[convention] + walk.multiply_accumulates[convention]
    assert total == sum(expected)


@kinds
@pytest.mark.parametrize("input_states", [2, 16])
def test_an_input_of_few_states_is_a_layer_of_its_own(
    nonlinearity: Any, states: int, input_states: int
) -> None:
    model, x = net(nonlinearity, states, 1, input_states).double(), sequences(20)
    rounded, layer = agreement(model, SHAPE, x)
    assert (rounded.path, rounded.neurons, rounded.different) == ("1", 20 * 6 * 5, 0)
    assert (layer.path, layer.neurons, layer.different) == ("2.activation", 20 * 6 * 7, 0)
    graph = convert(model, SHAPE)
    counts = count(graph, x, interpret(graph, x))
    quantised = Convention.QUANTISED
    operations = {
        layer.name: int(
            (layer.synaptic_operations[quantised] + layer.multiply_accumulates[quantised]).sum()
        )
        for layer in counts.layers
    }
    found = count_synaptic_operations(model, torch.from_numpy(x).double())
    # Each pixel that is not black passes its one synapse, which the module does not count.
    assert operations["dense1"] == np.count_nonzero(x)
    assert {path: int(layer.sum()) for path, layer in found.items()} == {
        "2.input": operations["dense2"],
        "2.recurrent": operations["dense3"],
        "4": operations["dense4"],
    }


def described(graph: Graph) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.name, node.inputs) for node in graph.nodes]


def test_the_state_is_fed_back_through_a_delay() -> None:
    graph = convert(net(states=17), SHAPE)
    assert graph.steps == 6
    assert graph.readout_op.mode is ReadoutMode.LAST
    assert described(graph) == [
        ("input", ()),
        ("dense1", ("input",)),
        ("delay1", ("levels1",)),
        ("dense2", ("delay1",)),
        ("add1", ("dense2", "dense1")),
        ("levels1", ("add1",)),
        ("dense3", ("levels1",)),
        ("readout1", ("dense3",)),
    ]
    (delay,) = (op for _, op in graph.of_type(Delay))
    assert (delay.low, delay.high, delay.initial) == (0, 16, 8)


def test_a_checkpoint_is_converted_and_checked(tmp_path: Path) -> None:
    spec = RecurrentSpec(SHAPE, 3, 7, activation="levels")
    save_model(tmp_path / "net", build(spec), spec)
    graph = load(tmp_path / "net")
    assert graph.input_op.shape == (5,)
    (layer,) = check_checkpoint(tmp_path / "net", sequences(10))
    assert (layer.node, layer.unexplained) == ("levels1", 0)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: nn.RNN(5, 4, batch_first=True), "returns 2 values.*return one tensor"),
        (lambda: build(RecurrentSpec(SHAPE, 3, 7)), "1 is an RNN of floats.*--from CHECKPOINT"),
        (lambda: Recurrent(nn.GRU(5, 4, batch_first=True)), "is a GRU of floats.* a QuantGRU"),
        (
            lambda: build(RecurrentSpec(SHAPE, 3, 7, cell="lstm")),
            "1 is a LSTM of floats",
        ),
    ],
)
def test_recurrent_layers_of_floats_are_refused_with_the_way_out(
    module: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(module(), SHAPE)


def changed(change: Callable[[nn.Sequential], Any]) -> nn.Sequential:
    model = net()
    change(model)
    return model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.insert(2, RoundClip(4)),
            "its parts are InputScale, QuantRNN, RoundClip, Last",
        ),
        (lambda m: m.pop(2), "a recurrent net is InputScale, RoundClip if .*, LastStep and"),
        (lambda m: m.pop(1), "its parts are InputScale, LastStep, QuantLinear"),
        (lambda m: setattr(m[0], "_maximum", 15), "made for an input in units of 0.00392.*0.0666"),
        (lambda m: m[1].recurrent.register_forward_hook(print), r"1\.recurrent has forward hooks"),
        (
            lambda m: setattr(m[1], "initial", nn.Identity()),
            r"1\.initial is a Identity, not a Init",
        ),
        (lambda m: setattr(m[1], "forward", torch.relu), "1 has a forward function of its own"),
        (lambda m: m.to("meta"), r"1\.input\.weight is on the meta device"),
        (lambda m: nn.init.constant_(m[1].input.weight, np.nan), r"1\.input has 35 weights that"),
        (lambda m: nn.init.constant_(m[1].bias, np.inf), "bias of channel 0 is inf"),
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


@pytest.mark.parametrize("shape", [(5,), (1, 6, 5)])
def test_a_shape_that_does_not_describe_a_sequence_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedError, match=r"give \(steps, features\) for a recurrent net"):
        convert(net(), shape)


def test_thresholds_are_exact_whatever_the_bias() -> None:
    """The least sum at which a level is reached, found in rational numbers, is the threshold."""
    model = net(states=5).double()
    rnn = model[1]
    assert isinstance(rnn, QuantRNN)
    graph = convert(model, SHAPE)
    theta = graph["levels1"].op.theta  # type: ignore[union-attr]
    low, high = graph.tensors["add1"].low, graph.tensors["add1"].high
    unit = Fraction(rnn.unit().item())
    for channel, bias in enumerate(rnn.bias.tolist()):
        for level, threshold in enumerate(rnn.activation.thresholds()):
            found = int(theta[channel, level])
            if low[channel] < found <= high[channel]:
                assert unit * found + Fraction(bias) >= threshold
                assert unit * (found - 1) + Fraction(bias) < threshold


def test_the_layers_around_it_may_be_nested() -> None:
    scale, *rest = net()
    nested = nn.Sequential(scale, nn.Sequential(*rest[:2]), nn.Dropout(), *rest[2:])
    assert convert(nested, SHAPE) == convert(net(), SHAPE)
    assert isinstance(rest[1], LastStep)
    assert isinstance(rest[2], QuantLinear)
    assert isinstance(scale, InputScale)
