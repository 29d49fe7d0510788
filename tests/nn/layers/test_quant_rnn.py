"""The quantised recurrent layer: whole numbers, few states, and how it is counted."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

import pytest
import torch

from edgespike.counting import Convention
from edgespike.nn import (
    InputScale,
    LastStep,
    QuantLinear,
    QuantRNN,
    RecurrentSpec,
    SpikePenalty,
    TanhLevels,
    build,
    count_synaptic_operations,
)
from edgespike.nn.nets.from_float import from_float


def sequences(samples: int, steps: int = 6, features: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (samples, steps, features), generator=generator).byte()


def layer(nonlinearity: Any, states: int, **changes: Any) -> QuantRNN:
    torch.manual_seed(2)
    made = QuantRNN(5, 4, 1 / 255, nonlinearity, states, **changes)
    torch.nn.init.normal_(made.bias)
    if nonlinearity == "relu":
        # With whole states, small input weights would be quantised to 0 by the shared unit.
        made.input.weight.data *= 60
    return made


def stepped(rnn: QuantRNN, x: torch.Tensor) -> list[list[list[int]]]:
    """Return the levels of each sample and step, from the integers in rational arithmetic."""
    unit = Fraction(rnn.unit().item())
    inputs, recurrent = rnn.input.integer_weight().tolist(), rnn.recurrent.integer_weight().tolist()
    bias = [Fraction(value) for value in rnn.bias.tolist()]
    thresholds, zero = rnn.activation.thresholds(), rnn.activation.zero
    found = []
    for sample in x.tolist():
        state, levels = [0] * len(bias), []
        for arriving in sample:
            sums = [
                sum(w * v for w, v in zip(row, arriving, strict=True))
                + sum(w * v for w, v in zip(loop, state, strict=True))
                for row, loop in zip(inputs, recurrent, strict=True)
            ]
            potentials = [unit * s + b for s, b in zip(sums, bias, strict=True)]
            levels.append([sum(u >= t for t in thresholds) for u in potentials])
            state = [level - zero for level in levels[-1]]
        found.append(levels)
    return found


@pytest.mark.parametrize(
    ("nonlinearity", "states"), [("relu", 2), ("relu", 16), ("tanh", 3), ("tanh", 33)]
)
@pytest.mark.parametrize("bits", [3, 8])
def test_states_are_those_of_the_definition(nonlinearity: Any, states: int, bits: int) -> None:
    rnn, x = layer(nonlinearity, states, bits=bits).double(), sequences(10)
    found = rnn(x.double() / 255) / rnn.step + rnn.activation.zero
    assert torch.round(found).long().tolist() == stepped(rnn, x)
    assert len(found.unique()) > 1


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_both_matrices_are_whole_in_one_unit_and_fill_the_bits(bits: int) -> None:
    rnn = layer("tanh", 17, bits=bits)
    limit = 2 ** (bits - 1) - 1
    largest = []
    for part in (rnn.input, rnn.recurrent):
        real = part.weight.detach() * part.input_step
        whole = part.integer_weight()
        largest.append(int(whole.abs().max()))
        assert (real / rnn.unit() - whole).abs().max() <= 0.5 + 1e-4
    assert max(largest) == limit


def test_a_copy_has_a_unit_of_its_own() -> None:
    rnn = layer("tanh", 17)
    copied, before = copy.deepcopy(rnn), rnn.unit().item()
    rnn.recurrent.weight.data *= 3
    assert copied.unit().item() == before < rnn.unit().item()
    assert copied.recurrent.integer_weight().abs().max() == 127


def test_weights_of_zero_have_a_unit() -> None:
    rnn = layer("relu", 4)
    for part in (rnn.input, rnn.recurrent):
        torch.nn.init.zeros_(part.weight)
    assert rnn.unit() > 0
    assert rnn(sequences(2) / 255).isfinite().all()


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_every_weight_is_trained(nonlinearity: Any) -> None:
    rnn = layer(nonlinearity, 17)
    rnn(sequences(50) / 255).square().sum().backward()
    for name, parameter in rnn.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_the_gradient_is_that_of_the_float_layer_with_the_same_states() -> None:
    """One step, with a tanh: the states only differ by rounding, the slope is the tangent's."""
    rnn, x = layer("tanh", 255).double(), sequences(20, steps=1).double() / 255
    exact = torch.tanh(x[:, 0] @ rnn.input.weight.T + rnn.bias)
    (slope,) = torch.autograd.grad(exact.sum(), rnn.bias)
    (found,) = torch.autograd.grad(rnn(x).sum(), rnn.bias)
    torch.testing.assert_close(found, slope, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("states", [3, 5, 17, 255])
def test_a_state_of_tanh_is_the_nearest_one(states: int) -> None:
    u = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    half = states // 2
    nearest = torch.round(torch.tanh(u) * half)
    found = TanhLevels(states)(u)
    # Thresholds are rounded to 8 decimals.
    near = ((torch.tanh(u) * half).frac().abs() - 0.5).abs() < 1e-5
    assert torch.equal(found[~near], nearest[~near])
    assert (found.min(), found.max()) == (-half, half)


@pytest.mark.parametrize("states", [1, 2, 4, 257, 3.0, True])
def test_impossible_numbers_of_states_of_tanh_are_refused(states: Any) -> None:
    with pytest.raises(ValueError, match="odd numbers from 3 to 255"):
        TanhLevels(states)


def walked(rnn: QuantRNN, readout: QuantLinear, x: torch.Tensor) -> list[int]:
    """Walk from each event to each of its synapses that is not 0, sample by sample."""
    zero = rnn.activation.zero
    into_state, into_readout = rnn.recurrent.integer_weight(), readout.integer_weight()
    totals = []
    for levels in stepped(rnn, x):
        total = 0
        for delivered, current in zip([[zero] * len(levels[0]), *levels], levels, strict=False):
            for i in range(len(current)):
                total += sum(int(delivered[i] != 0) for w in into_state[:, i] if w)
                total += sum(int(current[i] != 0) for w in into_readout[:, i] if w)
        totals.append(total)
    return totals


@pytest.mark.parametrize(
    ("nonlinearity", "states"), [("relu", 2), ("relu", 6), ("tanh", 3), ("tanh", 9)]
)
def test_operations_are_what_a_walk_finds(nonlinearity: Any, states: int) -> None:
    rnn, readout = layer(nonlinearity, states, bits=3).double(), QuantLinear(4, 3, bits=2).double()
    net = torch.nn.Sequential(InputScale(255), rnn, LastStep(), readout)
    x = sequences(8)
    counts = count_synaptic_operations(net, x.double())
    assert list(counts) == ["1.recurrent", "3"]
    assert torch.stack(list(counts.values())).sum(dim=0).tolist() == walked(rnn, readout, x)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("nonlinearity", "states"), [("relu", 2), ("relu", 6), ("tanh", 9)])
def test_the_operations_of_the_penalty_are_the_count(
    nonlinearity: Any, states: int, layers: int
) -> None:
    torch.manual_seed(0)
    spec = RecurrentSpec((6, 5), 3, 7, layers, "rnn", nonlinearity, activation="levels")
    net = build(RecurrentSpec(**{**spec.to_table(), "activation_states": states})).double()
    x = sequences(8).double()
    with SpikePenalty(net, x) as penalty, torch.no_grad():
        net(x)
        operations, omega = penalty.synaptic_operations().item(), penalty().item()
    counts = count_synaptic_operations(net, x, Convention.EVERY)
    assert operations * 8 == sum(int(layer.sum()) for layer in counts.values())
    # With two states a level is an event; with more an event is weighted by its level.
    assert omega == operations if states == 2 else omega >= operations


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_the_penalty_reaches_the_weights_through_all_steps(nonlinearity: Any) -> None:
    net = torch.nn.Sequential(
        InputScale(255), layer(nonlinearity, 17), LastStep(), QuantLinear(4, 3)
    )
    with SpikePenalty(net, sequences(1)) as penalty:
        net(sequences(20))
        gradients = torch.autograd.grad(penalty(), list(net[1].parameters()))
    assert all(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_many_levels_compute_what_the_float_net_computes(nonlinearity: Any, layers: int) -> None:
    torch.manual_seed(4)
    spec = RecurrentSpec((6, 5), 3, 7, layers, "rnn", nonlinearity)
    net, x = build(spec), sequences(200)
    for name, parameter in net.named_parameters():
        # With large recurrent weights the unit would be too coarse for the input weights of a ReLU.
        if "weight_hh" in name and nonlinearity == "relu":
            parameter.data *= 0.02
    table = {**spec.to_table(), "activation": "levels", "activation_states": 255}
    quantised = from_float(net, RecurrentSpec(**table), x)
    with torch.no_grad():
        difference = (net(x) - quantised(x)).abs().mean()
        spread = net(x).std(dim=0).mean()
    assert difference < spread / 10
