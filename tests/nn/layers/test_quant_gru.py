"""The gated layer of levels: its definition in rational numbers, its gradient, its counts."""

from __future__ import annotations

import copy
from dataclasses import replace
from fractions import Fraction
from math import exp, floor
from typing import Any

import pytest
import torch
from torch import nn

from edgespike.counting import Convention
from edgespike.nn import (
    InputScale,
    LastStep,
    QuantGRU,
    QuantLinear,
    RecurrentSpec,
    SpikePenalty,
    build,
    count_synaptic_operations,
)
from edgespike.nn.layers.activation import RoundSigned, SigmoidLevels, TanhLevels
from edgespike.nn.layers.quant_gru import Gate

STATES = [(3, 3), (9, 2), (31, 9), (255, 16)]
"""Of units and of gates; an odd and an even number of levels of a gate, at which halves occur."""

Rows = list[list[int]]


def sequences(samples: int, steps: int = 6, features: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (samples, steps, features), generator=generator).byte()


def layer(states: int = 31, gate_states: int = 9, **changes: Any) -> QuantGRU:
    torch.manual_seed(2)
    made = QuantGRU(5, 4, 1 / 255, states, gate_states, **changes)
    for name, parameter in made.named_parameters():
        # Inputs of 256 states share their unit with states, of which a few are worth more each.
        nn.init.normal_(parameter, std=255 * made.step if "input" in name else 1.0)
    return made


def levels(gate: Gate, arriving: list[int], state: list[int]) -> list[int]:
    """Return what a gate sends, from its integers in rational arithmetic."""
    unit, activation = Fraction(gate.unit().item()), gate.activation
    found = []
    for row, loop, bias in zip(
        gate.input.integer_weight().tolist(),
        gate.recurrent.integer_weight().tolist(),
        gate.bias.tolist(),
        strict=True,
    ):
        total = sum(w * v for w, v in zip(row, arriving, strict=True))
        total += sum(w * v for w, v in zip(loop, state, strict=True))
        potential = unit * total + Fraction(bias)
        found.append(sum(potential >= t for t in activation.thresholds()) + activation.offset)
    return found


def rounded(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def stepped(gru: QuantGRU, sample: Rows) -> list[dict[str, list[int]]]:
    """Return every number of each step of a sample."""
    state, found = [0] * len(gru.update.bias), []
    for arriving in sample:
        update, reset = (levels(gate, arriving, state) for gate in (gru.update, gru.reset))
        admitted = [r * h for r, h in zip(reset, state, strict=True)]
        remembered = [rounded(Fraction(product, gru.open)) for product in admitted]
        candidate = levels(gru.candidate, arriving, remembered)
        kept = [z * h for z, h in zip(update, state, strict=True)]
        renewed = [(gru.open - z) * n for z, n in zip(update, candidate, strict=True)]
        delivered = state
        state = [rounded(Fraction(a + b, gru.open)) for a, b in zip(kept, renewed, strict=True)]
        found.append(
            {
                "delivered": delivered,
                "admitted": admitted,
                "remembered": remembered,
                "kept": kept,
                "renewed": renewed,
                "state": state,
            }
        )
    return found


@pytest.mark.parametrize(("states", "gate_states"), STATES)
@pytest.mark.parametrize("bits", [3, 8])
def test_states_are_those_of_the_definition(states: int, gate_states: int, bits: int) -> None:
    gru, x = layer(states, gate_states, bits=bits).double(), sequences(10)
    found = torch.round(gru(x.double() / 255) / gru.step).long().tolist()
    assert found == [[step["state"] for step in stepped(gru, sample)] for sample in x.tolist()]
    assert len({value for sample in found for step in sample for value in step}) > 2


def test_many_states_compute_what_a_gru_of_floats_computes() -> None:
    """The reset gate acts before the matrix, unlike in torch's layer."""
    gru, x = layer(255, 256).double(), sequences(50).double() / 255
    state = torch.zeros(50, 4, dtype=torch.float64)

    def sums(gate: Gate, arriving: torch.Tensor, fed: torch.Tensor) -> torch.Tensor:
        return arriving @ gate.input.weight.T + fed @ gate.recurrent.weight.T + gate.bias

    for arriving in x.unbind(dim=1):
        z, r = (torch.sigmoid(sums(gate, arriving, state)) for gate in (gru.update, gru.reset))
        state = z * state + (1 - z) * torch.tanh(sums(gru.candidate, arriving, r * state))
    assert (gru(x)[:, -1] - state).abs().max() < 0.03
    assert state.abs().max() > 0.5


@pytest.mark.parametrize("states", [2, 3, 16, 256])
def test_a_state_of_the_logistic_function_is_the_nearest_one(states: int) -> None:
    most = states - 1
    for level, threshold in enumerate(SigmoidLevels(states).thresholds(), start=1):
        assert most / (1 + exp(-threshold)) == pytest.approx(level - 0.5, abs=1e-5)
    u = torch.linspace(-9, 9, 1001)
    found = SigmoidLevels(states)(u)
    assert (found - most * torch.sigmoid(u)).abs().max() < 0.5 + 1e-5
    assert (found.min(), found.max()) == (0, most)


def test_a_rounded_state_rounds_halves_upwards() -> None:
    rounding, u = RoundSigned(5), torch.tensor([-9.0, -1.5, -0.51, -0.5, 0.49, 0.5, 1.5, 9.0])
    assert rounding(u).tolist() == [-2, -1, -1, 0, 0, 1, 2, 2]
    reached = [sum(value >= t for t in rounding.thresholds()) - 2 for value in u.tolist()]
    assert reached == rounding(u).tolist()


@pytest.mark.parametrize("states", [1, 2, 4, 257, 3.0, True])
def test_impossible_numbers_of_states_are_refused(states: Any) -> None:
    for kind in (RoundSigned, TanhLevels):
        with pytest.raises(ValueError, match="odd numbers from 3 to 255"):
            kind(states)
    if states != 2 and states != 4:
        with pytest.raises(ValueError, match="2 to 256 are possible"):
            SigmoidLevels(states)


def test_a_copy_has_units_of_its_own() -> None:
    gru = layer()
    copied, before = copy.deepcopy(gru), gru.reset.unit().item()
    gru.reset.recurrent.weight.data *= 3
    assert copied.reset.unit().item() == before < gru.reset.unit().item()


def test_every_weight_is_trained() -> None:
    gru = layer()
    gru(sequences(50) / 255).square().sum().backward()
    for name, parameter in gru.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def walked(gru: QuantGRU, readout: QuantLinear, x: torch.Tensor) -> dict[str, int]:
    """Walk from each event to each of its synapses that is not 0, and to each product."""
    gates = {name: gru.get_submodule(name) for name in ("update", "reset", "candidate")}
    leaving = {
        f"1.{name}.recurrent": (gate.recurrent.integer_weight() != 0).sum(dim=0).tolist()
        for name, gate in gates.items()
        if isinstance(gate, Gate)
    }
    into_readout = (readout.integer_weight() != 0).sum(dim=0).tolist()
    total = dict.fromkeys([*leaving, "1.admitted", "1.kept", "1.renewed", "3"], 0)
    for sample in x.tolist():
        for step in stepped(gru, sample):
            for name, fan_out in leaving.items():
                sent = step["remembered" if "candidate" in name else "delivered"]
                total[name] += sum(n for n, v in zip(fan_out, sent, strict=True) if v)
            for name in ("admitted", "kept", "renewed"):
                total[f"1.{name}"] += sum(v != 0 for v in step[name])
            total["3"] += sum(n for n, v in zip(into_readout, step["state"], strict=True) if v)
    return total


@pytest.mark.parametrize(("states", "gate_states"), STATES)
def test_operations_are_what_a_walk_finds(states: int, gate_states: int) -> None:
    gru, readout = layer(states, gate_states, bits=3).double(), QuantLinear(4, 3, bits=2).double()
    net = nn.Sequential(InputScale(255), gru, LastStep(), readout)
    x = sequences(8)
    counts = count_synaptic_operations(net, x.double())
    assert {name: int(each.sum()) for name, each in counts.items()} == walked(gru, readout, x)


SPEC = RecurrentSpec((6, 5), 3, 7, cell="gru", activation="levels", activation_states=31)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("states", "gate_states"), STATES)
def test_the_operations_of_the_penalty_are_the_count(
    states: int, gate_states: int, layers: int
) -> None:
    torch.manual_seed(0)
    spec = replace(SPEC, layers=layers, activation_states=states, gate_states=gate_states)
    net, x = build(spec).double(), sequences(8).double()
    with SpikePenalty(net, x) as penalty, torch.no_grad():
        net(x)
        operations, omega = penalty.synaptic_operations().item(), penalty().item()
    counts = count_synaptic_operations(net, x, Convention.EVERY)
    assert operations * 8 == sum(int(layer.sum()) for layer in counts.values())
    assert omega >= operations > 0  # an event is weighted by its magnitude


def test_the_penalty_reaches_the_weights_through_all_steps() -> None:
    net = nn.Sequential(InputScale(255), layer(), LastStep(), QuantLinear(4, 3))
    with SpikePenalty(net, sequences(1)) as penalty:
        net(sequences(20))
        gradients = torch.autograd.grad(penalty(), list(net[1].parameters()))
    assert all(gradient.any() for gradient in gradients)
