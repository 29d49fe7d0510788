from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgespike.errors import UnsupportedError
from edgespike.prune import Method, gather, prune


def images(count: int = 6, channels: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, 8, 8, generator=generator, dtype=torch.float64)


def convolutions() -> nn.Sequential:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, stride=2, padding=1, bias=False)),
        nn.LeakyReLU(),
        nn.Dropout2d(),
        nn.Flatten(),
        nn.Linear(20, 7),
        nn.BatchNorm1d(7),
        nn.Tanh(),
        nn.Linear(7, 3),
    ).double()
    model(images(50))  # running statistics that are not trivial
    for norm in (model[1], model[8]):
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return model.eval()


NAMES = ["0", "3.1", "7"]
TAKERS = {"0": "3.1", "3.1": "7", "7": "10"}
SIZES = {"0": 6, "3.1": 5, "7": 7}


def test_keeping_all_units_changes_nothing() -> None:
    model, x = convolutions(), images()
    pruned = prune(model, [x], keep=SIZES)
    assert torch.equal(pruned.model(x), model(x))


def test_states_are_what_the_next_layer_receives_at_every_position() -> None:
    model, x = convolutions(), images()
    found = gather(model, [x[:2], x[2:]]).covariances
    takers = {name: model.get_submodule(taker) for name, taker in TAKERS.items()}
    for name, taker in takers.items():
        seen: list[Tensor] = []
        handle = taker.register_forward_pre_hook(lambda m, args, seen=seen: seen.append(args[0]))
        model(x)
        handle.remove()
        rows = seen[0].detach().reshape(len(x), SIZES[name], -1).movedim(1, -1).flatten(0, 1)
        expected = (rows.T @ rows / len(rows)).numpy()
        np.testing.assert_allclose(found[name].matrix(), expected, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_next_layer_takes_estimates_of_all_units(name: str) -> None:
    model, x = convolutions(), images()
    pruned = prune(model, [x], keep=3, layers=[name])
    kept = pruned.report.groups[0].kept.tolist()
    S = gather(model, [x], [name]).covariances[name].matrix()
    A = torch.from_numpy(S[:, kept] @ np.linalg.inv(S[np.ix_(kept, kept)]))
    taker = model.get_submodule(TAKERS[name])

    def estimated(module: nn.Module, arguments: tuple[Tensor]) -> Tensor:
        by_unit = arguments[0].reshape(len(x), SIZES[name], -1)
        return (A @ by_unit[:, kept]).reshape(arguments[0].shape)

    taker.register_forward_pre_hook(estimated)
    torch.testing.assert_close(pruned.model(x), model(x))


def test_layers_of_copies_are_pruned_without_loss() -> None:
    model, x = convolutions(), images()
    with torch.no_grad():
        for module in (model[0], model[1], model[7], model[8]):
            for name in ("weight", "bias", "running_mean", "running_var"):
                if hasattr(module, name):
                    getattr(module, name)[3:6] = getattr(module, name)[:3]
    pruned = prune(model, [x], keep={"0": 3, "3.1": 5, "7": 4})
    torch.testing.assert_close(pruned.model(x), model(x))
    small = pruned.model
    shapes = {name: tuple(value.shape) for name, value in small.state_dict().items()}
    assert shapes["0.weight"] == (3, 2, 3, 3)
    assert shapes["1.running_var"] == (3,)
    assert shapes["3.1.weight"] == (5, 3, 3, 3)
    assert shapes["8.bias"] == (4,)
    assert shapes["10.weight"] == (3, 4)
    described = [repr(small.get_submodule(name)).split(",")[:2] for name in ("1", "3.1", "10")]
    assert described == [
        ["BatchNorm2d(3", " eps=1e-05"],
        ["Conv2d(3", " 5"],
        ["Linear(in_features=4", " out_features=3"],
    ]
    before = 6 * 2 * 9 + 5 * 6 * 9 + 7 * 20 + 3 * 7
    after = 3 * 2 * 9 + 5 * 3 * 9 + 4 * 20 + 3 * 4
    assert (pruned.report.weights_before, pruned.report.weights_after) == (before, after)


def test_spectral_pruning_loses_less_than_what_it_is_compared_with() -> None:
    model, x = convolutions(), images(200)
    data = gather(model, [x])
    errors = {
        method: (prune(model, data, keep=4, method=method).model(x) - model(x)).norm()
        for method in Method
        if method not in (Method.LOW_RANK, Method.COLUMNS)
    }
    assert min(errors, key=lambda method: errors[method]) is Method.SPECTRAL


def test_dense_layers_over_sequences_and_dead_units() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    with torch.no_grad():
        model.get_parameter("0.bias")[[1, 2]] = -1e6
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    pruned = prune(model, [x], keep=4)
    assert pruned.report.groups[0].kept.tolist() == [0, 3, 4, 5]
    torch.testing.assert_close(pruned.model(x), model(x))


@pytest.mark.parametrize("dimensions", [1, 3])
def test_convolutions_of_other_dimensions(dimensions: int) -> None:
    make = {1: nn.Conv1d, 3: nn.Conv3d}[dimensions]
    torch.manual_seed(0)
    model = nn.Sequential(make(1, 4, 3), nn.ReLU(), make(4, 2, 2)).double()
    x = torch.randn(2, 1, *[5] * dimensions, dtype=torch.float64)
    assert torch.equal(prune(model, [x], keep=4).model(x), model(x))
    assert prune(model, [x], keep=2).model(x).shape == model(x).shape


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        ([nn.Softmax(dim=1)], "Softmax after it mixes units"),
        ([nn.LayerNorm(4)], "LayerNorm after it mixes units, or has weights"),
        ([nn.PReLU(4)], "PReLU after it"),
        ([nn.GroupNorm(2, 4, affine=False)], "GroupNorm after it"),
        ([nn.RNN(4, 4), nn.ReLU()], "RNN after it"),
    ],
)
def test_units_that_are_mixed_are_not_pruned(between: list[nn.Module], reason: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), *between, nn.Linear(4, 2))
    with pytest.raises(UnsupportedError, match=f"'0': {reason}"):
        prune(model, [torch.zeros(2, 3)], keep=2, layers=["0"])


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.Linear(8, 3)),
        nn.Sequential(nn.Linear(2, 4), nn.Unfold(1), nn.Linear(4, 3)),
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1, groups=2)),
        nn.Sequential(nn.Conv2d(2, 4, 1, groups=2), nn.Conv2d(4, 4, 1)),
        nn.Sequential(nn.Linear(2, 4), nn.Flatten(), nn.Linear(12, 3)),
        nn.Sequential(nn.Linear(2, 4)),
        nn.ReLU(),
    ],
)
def test_models_without_a_layer_that_can_be_pruned_are_refused(model: nn.Module) -> None:
    with pytest.raises(UnsupportedError, match="the model cannot be pruned:\n  - "):
        prune(model, [images()], keep=2)


def test_layers_around_what_is_not_known_are_still_pruned() -> None:
    torch.manual_seed(0)

    class Doubling(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            doubled: Tensor = 2 * super().forward(x)  # type: ignore[no-untyped-call]
            return doubled

    model = nn.Sequential(
        nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), Doubling(nn.Linear(4, 4)), nn.Linear(4, 2)
    ).double()
    x = torch.randn(9, 3, dtype=torch.float64)
    pruned = prune(model, [x], keep=5)
    assert [group.name for group in pruned.report.groups] == ["0"]
    assert torch.equal(pruned.model(x), model(x))
