from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgespike.errors import InputError, UnsupportedError
from edgespike.prune import Gathered, Method, Options, gather, prune
from edgespike.prune.torch.rivals import drop_columns, lower_rank, sparsify
from tests.prune.nets import KINDS, net, recurrent, rnn_in, sequences

WHOLE = [Method.MAGNITUDE, Method.LOW_RANK, Method.COLUMNS]


def linear(weight: list[list[float]]) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
    return layer


def test_the_largest_weights_of_all_matrices_are_left() -> None:
    one, other = linear([[1.0, -5.0], [0.5, 2.0]]), linear([[-3.0, 0.1, 4.0]])
    limited = sparsify([(one, "weight"), (other, "weight")], 4)
    assert limited.weights == 4
    assert one.weight.tolist() == [[0, -5], [0, 2]]
    assert other.weight.tolist() == [[-3, 0, 4]]


def test_each_matrix_keeps_its_share_if_asked() -> None:
    one, other = linear([[9.0, 8.0], [7.0, 6.0]]), linear([[1.0, 3.0], [2.0, 4.0]])
    assert sparsify([(one, "weight"), (other, "weight")], 5, "each").weights == 4
    assert one.weight.tolist() == [[9, 8], [0, 0]]
    assert other.weight.tolist() == [[0, 3], [0, 4]]


def test_of_equal_weights_the_first_are_left() -> None:
    layer = linear([[1.0, -1.0, 1.0, 1.0]])
    sparsify([(layer, "weight")], 2)
    assert layer.weight.tolist() == [[1, -1, 0, 0]]


def test_the_nearest_matrix_of_a_rank_stands_for_factors() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 9, bias=False)
    weight = layer.weight.detach().clone()
    assert lower_rank([(layer, "weight")], 44).weights == 2 * 15
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    torch.testing.assert_close(layer.weight, (left[:, :2] * values[:2]) @ right[:2])


def test_a_matrix_smaller_than_its_factors_stays() -> None:
    layer = linear([[1.0, 2.0], [3.0, 5.0]])
    assert lower_rank([(layer, "weight")], 5).weights == 4
    assert layer.weight.tolist() == [[1, 2], [3, 5]]


@pytest.mark.parametrize(("norm", "kept"), [(1, 1), (2, 0)])
def test_the_largest_columns_are_left(norm: int, kept: int) -> None:
    layer = linear([[3.0, 2.0, 0.0], [0.0, 2.0, 1.0]])
    assert drop_columns([(layer, "weight")], 3, norm).weights == 2  # type: ignore[arg-type]
    columns = layer.weight.detach().abs().sum(0).nonzero().flatten().tolist()
    assert columns == [kept]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("method", Method)
def test_every_method_leaves_at_most_the_weights_of_fewer_units(
    kind: str, layers: int, bidirectional: bool, method: Method
) -> None:
    model, x = net(recurrent(kind, 16, layers, bidirectional)), sequences()
    report = prune(model, [x], keep=10, method=method).report
    budget = prune(model, [x], keep=10).report.weights_after
    assert 0.7 * budget < report.weights_after <= budget < report.weights_before
    if not method.keeps_units:
        assert all(group.units_after == 16 for group in report.groups)


def nonzero(model: nn.Module) -> int:
    return sum(int((p != 0).sum()) for p in model.parameters() if p.ndim > 1)


@pytest.mark.parametrize("method", [Method.MAGNITUDE, Method.COLUMNS])
def test_the_weights_that_are_left_are_those_that_are_counted(method: Method) -> None:
    pruned = prune(net(recurrent("tanh", 16)), [sequences()], keep=10, method=method)
    assert nonzero(pruned.model) == pruned.report.weights_after


@pytest.mark.parametrize("method", WHOLE)
def test_fine_tuning_keeps_what_was_left(method: Method) -> None:
    pruned = prune(net(recurrent("tanh", 16)), [sequences()], keep=10, method=method)
    weights, rank = nonzero(pruned.model), torch.linalg.matrix_rank(hidden_weights(pruned.model))
    before = hidden_weights(pruned.model).clone()
    optimiser = torch.optim.Adam(pruned.model.parameters(), lr=1e-2)
    assert pruned.limited is not None
    optimiser.register_step_post_hook(pruned.limited)
    for _ in range(3):
        optimiser.zero_grad()
        pruned.model(sequences()).square().sum().backward()
        optimiser.step()
    after = hidden_weights(pruned.model)
    assert not torch.equal(after, before)
    assert torch.linalg.matrix_rank(after) == rank
    assert nonzero(pruned.model) == weights


def hidden_weights(model: nn.Module) -> Tensor:
    weight = rnn_in(model).weight_hh_l0
    assert isinstance(weight, Tensor)
    return weight.detach()


def test_methods_that_keep_whole_units_need_no_limit() -> None:
    assert prune(net(recurrent("tanh")), [sequences()], keep=3).limited is None


@pytest.fixture(scope="module")
def seen() -> tuple[nn.Module, Gathered]:
    model = net(recurrent("relu", 16))
    return model, gather(model, [sequences(50)])


@pytest.mark.parametrize("method", ["random", "random-bare", "leverage"])
def test_what_is_drawn_follows_from_the_seed(method: str, seen: tuple[nn.Module, Gathered]) -> None:
    def kept(seed: int) -> list[int]:
        pruned = prune(*seen, keep=5, method=method, options=Options(seed=seed))
        units: list[int] = pruned.report.groups[0].kept.tolist()
        return units

    assert kept(1) == kept(1)
    assert len({tuple(kept(seed)) for seed in range(5)}) > 1


def test_reconstruction_lowers_the_losses(seen: tuple[nn.Module, Gathered]) -> None:
    for method in ("spectral", "random"):
        with_it = prune(*seen, keep=5, method=method).report.groups[0]
        bare = prune(*seen, keep=5, method=f"{method}-bare").report.groups[0]
        assert with_it.kept.tolist() == bare.kept.tolist()
        assert with_it.losses is not None
        assert bare.losses is not None
        assert with_it.losses.states < bare.losses.states


def test_penalties_hold_the_reconstruction_small(seen: tuple[nn.Module, Gathered]) -> None:
    plain = prune(*seen, keep=8).model
    options = Options(lam=0.5, regularise=True)
    penalised = prune(*seen, keep=8, options=options).model
    assert hidden_weights(penalised).norm() < hidden_weights(plain).norm()


@pytest.mark.parametrize("method", [Method.LOW_RANK, Method.COLUMNS])
def test_budgets_that_reach_for_nothing_are_refused(method: Method) -> None:
    with pytest.raises(InputError, match=r"the budget leaves -?\d+ weights .* keep more units"):
        prune(net(recurrent("tanh")), [sequences()], keep=1, method=method)


@pytest.mark.parametrize("method", [Method.LOW_RANK, Method.COLUMNS])
def test_all_matrices_can_share_a_budget_that_the_inputs_alone_exceed(method: Method) -> None:
    model = net(recurrent("tanh", 16, inputs=40))
    x = sequences(features=40)
    with pytest.raises(InputError, match="the budget leaves -"):
        prune(model, [x], keep=8, method=method)
    report = prune(model, [x], keep=8, method=method, options=Options(matrices="all")).report
    budget = 8 * (40 + 8 + 4)
    assert 0.7 * budget < report.weights_after <= budget


def test_a_budget_of_no_weights_is_refused() -> None:
    with pytest.raises(InputError, match="budget is 0 weights; magnitude pruning needs at least 1"):
        sparsify([(linear([[1.0]]), "weight")], 0)


@pytest.mark.parametrize("method", [Method.LOW_RANK, Method.COLUMNS])
def test_without_recurrence_there_are_no_recurrent_weights(method: Method) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with pytest.raises(UnsupportedError, match="it changes recurrent weights, but there are none"):
        prune(model, [sequences()], keep=2, method=method)
