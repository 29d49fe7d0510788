from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from edgespike.prune import Method, gather, prune
from tests.prune.nets import KINDS, LastStep, Recurrent, net, recurrent, rnn_in, sequences

SHAPES = list(product([1, 2], [False, True], [True, False], [True, False]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional", "batch_first", "bias"), SHAPES)
def test_keeping_all_units_changes_nothing(
    kind: str, layers: int, bidirectional: bool, batch_first: bool, bias: bool
) -> None:
    model = net(recurrent(kind, 6, layers, bidirectional, batch_first, bias))
    x = sequences()
    pruned = prune(model, [x], keep=6)
    assert torch.equal(pruned.model(x), model(x))
    assert pruned.report.weights_after == pruned.report.weights_before


def by_hand(kind: str, rnn: nn.RNNBase, kept: list[int], A: Tensor, x: Tensor) -> Tensor:
    """Run the kept units, each taking estimates of all: (samples, steps, kept units)."""
    m = rnn.hidden_size
    h = torch.zeros(len(x), len(kept), dtype=torch.float64)
    c, states = torch.zeros_like(h), []

    def taken(values: Tensor, way: str) -> list[Tensor]:
        sums = values @ getattr(rnn, f"weight_{way}_l0").T
        sums = sums + getattr(rnn, f"bias_{way}_l0") if rnn.bias else sums
        return [gate[:, kept] for gate in sums.split(m, dim=1)]

    for step in range(x.shape[1]):
        i, r = taken(x[:, step], "ih"), taken(h @ A.T, "hh")
        if kind in ("relu", "tanh"):
            h = torch.relu(i[0] + r[0]) if kind == "relu" else torch.tanh(i[0] + r[0])
        elif kind == "gru":
            reset, update = torch.sigmoid(i[0] + r[0]), torch.sigmoid(i[1] + r[1])
            h = (1 - update) * torch.tanh(i[2] + reset * r[2]) + update * h
        else:
            gates = [a + b for a, b in zip(i, r, strict=True)]
            c = gates[1].sigmoid() * c + gates[0].sigmoid() * gates[2].tanh()
            h = gates[3].sigmoid() * c.tanh()
        states.append(h)
    return torch.stack(states, dim=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("method", ["spectral", "random-bare"])
def test_a_pruned_layer_is_the_kept_units_that_take_estimates_of_all(
    kind: str, bias: bool, method: str
) -> None:
    rnn = recurrent(kind, bias=bias)
    model, x = net(rnn), sequences()
    pruned = prune(model, [x], keep=4, method=method)
    kept = pruned.report.groups[0].kept.tolist()
    rows = model[0](x).detach().reshape(-1, 6)
    A = torch.zeros(6, 4, dtype=torch.float64)
    A[kept] = torch.eye(4, dtype=torch.float64)
    if method == "spectral":
        A = torch.linalg.lstsq(rows[:, kept], rows).solution.T
    states = by_hand(kind, rnn, kept, A, x)
    torch.testing.assert_close(pruned.model[0](x), states)
    torch.testing.assert_close(pruned.model(x), model[1](states @ A.T))


def of_twins(kind: str, copies: int) -> nn.Sequential:
    """Return a net whose states are those of a smaller one, each unit ``copies`` times."""
    small = recurrent(kind, units=5, layers=2, bidirectional=True)
    large = recurrent(kind, units=5 * copies, layers=2, bidirectional=True)
    with torch.no_grad():
        for name, parameter in large.named_parameters():
            source = getattr(small, name)
            gates = source.unflatten(0, (-1, 5)).repeat_interleave(copies, 1).flatten(0, 1)
            columns = 1 if name.startswith(("bias", "weight_ih_l0")) else copies
            if columns > 1:
                gates = gates.repeat_interleave(copies, 1) / copies
            parameter.copy_(gates)
    return net(large)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_units_are_pruned_without_loss(kind: str) -> None:
    model, x = of_twins(kind, 3), sequences(20)
    data = gather(model, [x])
    pruned = prune(model, data, keep=5)
    torch.testing.assert_close(pruned.model(x), model(x), rtol=1e-9, atol=1e-9)
    bare = prune(model, data, keep=5, method="spectral-bare")
    assert (bare.model(x) - model(x)).norm() > 0.1 * model(x).norm()
    assert all(group.losses and group.losses.states < 1e-12 for group in pruned.report.groups)
    assert prune(model, data, tolerance=1e-9).report.groups[0].units_after == 5


@pytest.mark.parametrize("kind", ["relu", "tanh"])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("method", [each for each in Method if each.keeps_units])
def test_outputs_change_by_no_more_than_the_reported_bound(
    kind: str, layers: int, bidirectional: bool, method: Method
) -> None:
    model, x = net(recurrent(kind, 8, layers, bidirectional)), sequences(30, 6)
    pruned = prune(model, [x], keep=5, method=method)
    change = (pruned.model(x) - model(x)).square().sum(-1).mean().sqrt().item()
    assert 0 < change <= pruned.report.bounds["1"]


def test_gates_have_no_bound() -> None:
    assert prune(net(recurrent("gru")), [sequences()], keep=3).report.bounds == {}


def test_dead_units_are_pruned_without_loss() -> None:
    rnn = recurrent("relu")
    with torch.no_grad():
        rnn.get_parameter("bias_ih_l0")[[0, 4]] = -1e6
    model, x = net(rnn), sequences()
    pruned = prune(model, [x], keep=4)
    assert pruned.report.groups[0].kept.tolist() == [1, 2, 3, 5]
    torch.testing.assert_close(pruned.model(x), model(x))


def test_recurrent_modules_behind_each_other_are_folded_into_each_other() -> None:
    first, second = recurrent("tanh", units=6), recurrent("lstm", units=8, inputs=6)
    model = nn.Sequential(Recurrent(first), nn.Identity(), Recurrent(second), LastStep())
    model.append(nn.Linear(8, 2, dtype=torch.float64))
    x = sequences()
    pruned = prune(model, [x], keep={"0.rnn": 4, "2.rnn": 5})
    assert [group.units_after for group in pruned.report.groups] == [4, 5]
    assert rnn_in(pruned.model, "2.rnn").input_size == 4
    assert pruned.model(x).shape == (5, 2)
    assert torch.equal(prune(model, [x], keep={"0.rnn": 6, "2.rnn": 8}).model(x), model(x))


def test_the_pruned_layer_is_one_of_torch_that_trains_and_saves() -> None:
    model = net(recurrent("gru", layers=2))
    pruned = prune(model, [sequences()], keep=4).model
    fresh = net(recurrent("gru", units=4, layers=2))
    fresh.load_state_dict(pruned.state_dict())
    x = sequences(seed=3)
    torch.testing.assert_close(fresh(x), pruned(x), rtol=0, atol=0)
    torch.autograd.backward(pruned(x).square().mean())
    assert all(parameter.grad is not None for parameter in pruned.parameters())
    assert isinstance(rnn_in(pruned), nn.GRU)
    assert "in_features=4" in repr(pruned[1])


def test_the_original_stays_as_it_was() -> None:
    model = net(recurrent("tanh"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prune(model, [sequences()], keep=2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert rnn_in(model).hidden_size == 6


def test_a_sequence_without_a_batch_is_run_over() -> None:
    model, x = net(recurrent("tanh", layers=2)), sequences()[0]
    pruned = prune(model, [x], keep=6)
    assert torch.equal(pruned.model(x), model(x))
