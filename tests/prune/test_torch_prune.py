from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgespike.errors import InputError, UnsupportedError
from edgespike.prune import Method, Objective, Options, gather, prune
from tests.prune.nets import LastStep, Recurrent, net, recurrent, rnn_in, sequences

MIXING = [
    nn.Softmax(dim=-1),
    nn.LogSoftmax(dim=-1),
    nn.LayerNorm(6, elementwise_affine=False),
    nn.BatchNorm1d(7, affine=False),
    nn.AvgPool1d(3, 1, 1),
    nn.MaxPool1d(3, 1, 1),
    nn.Flatten(),
]
"""Modules without weights that mix or move units of (samples, steps, units)."""

APART = [nn.Identity(), nn.Dropout(0.5), nn.ReLU(), nn.Tanh(), nn.GELU(), nn.ReLU6()]


def test_128_units_to_42_leave_2226_of_17792_weights() -> None:
    rnn = nn.RNN(1, 128, nonlinearity="relu", batch_first=True)
    model = nn.Sequential(Recurrent(rnn), LastStep(), nn.Linear(128, 10))
    pruned = prune(model, [torch.rand(4, 20, 1)], keep=42)
    assert (pruned.report.weights_before, pruned.report.weights_after) == (17_792, 2_226)
    assert rnn_in(pruned.model).weight_hh_l0.shape == (42, 42)
    assert pruned.report.groups[0].losses is not None
    assert pruned.report.groups[0].losses.states < 0.01


@pytest.mark.parametrize("tolerance", [0.2, 0.05, 0.001, 0.0])
def test_a_tolerance_keeps_the_fewest_units_that_lose_no_more(tolerance: float) -> None:
    model, x = net(recurrent("tanh", 12, layers=2)), sequences(50)
    data = gather(model, [x])
    options = Options(objective=Objective(1.0, 0.0, 0.0))
    kept = prune(model, data, tolerance=tolerance, options=options).report.groups[0].units_after

    def worst(keep: int) -> float:
        groups = prune(model, data, keep=keep, options=options).report.groups
        return max(group.losses.states for group in groups if group.losses)

    assert worst(kept) <= tolerance + 1e-12
    assert kept == 1 or worst(kept - 1) > tolerance


def test_a_tolerance_gives_every_method_the_same_units() -> None:
    model, x = net(recurrent("tanh", 16)), sequences(50)
    reports = [prune(model, [x], tolerance=0.02, method=each).report for each in Method]
    assert len({r.groups[0].units_after for r in reports if r.method.keeps_units}) == 1
    assert all(report.weights_after <= reports[0].weights_after for report in reports)


def test_the_report_says_how_many_units_the_layer_needs() -> None:
    model, x = net(recurrent("tanh", 8)), sequences(50)
    report = prune(model, [x], keep=5).report
    group = report.groups[0]
    assert (group.name, group.units_before, group.units_after) == ("0.rnn.l0", 8, 5)
    needed = group.spectrum.units_needed(0.01)
    text = str(report)
    assert f"this layer needs about {needed} of its 8 units" in text
    assert f"spectral: {report.weights_after} of {report.weights_before} weights left" in text
    assert "0.rnn.l0: 5 of 8 units" in text
    assert "1: outputs change by at most" in text


class Tagger(nn.Module):
    """Two recurrent modules with readouts, registered in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.readouts = nn.ModuleDict({"a": nn.Linear(6, 2), "b": nn.Linear(4, 2)})
        self.embedding = nn.Embedding(10, 3)
        self.a, self.b = recurrent("gru"), recurrent("lstm", units=4)
        self.double()

    def forward(self, words: Tensor) -> Tensor:
        x = self.embedding(words)
        result: Tensor = self.readouts["a"](self.a(x)[0]) + self.readouts["b"](self.b(x)[0])
        return result


def test_pairs_name_a_recurrent_module_and_its_readout() -> None:
    torch.manual_seed(0)
    model, words = Tagger(), torch.randint(0, 10, (3, 5))
    pairs = [("a", "readouts.a"), ("b", "readouts.b")]
    assert torch.equal(
        prune(model, [words], {"a": 6, "b": 4}, layers=pairs).model(words), model(words)
    )
    only_one = prune(model, [words], keep=2, layers=pairs[1:])
    assert [group.name for group in only_one.report.groups] == ["b.l0"]
    assert rnn_in(only_one.model, "a").hidden_size == 6
    with pytest.raises(UnsupportedError, match=r"'b': no nn\.Linear takes its values"):
        prune(model, [words], keep=2)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([("0.rnn", "0")], r"not the names of an nn\.RNN, nn\.GRU or nn\.LSTM and an nn\.Linear"),
        ([("nowhere", "1")], "not the names of"),
        (["nowhere"], "'nowhere': not a hidden dense or convolution layer"),
        ([], "no layers are named"),
        ([("0.rnn", "1"), ("0.rnn", "1")], "'0.rnn' is named twice"),
        ([("0.rnn", "1", "2")], "neither the name of a hidden layer nor a pair of names"),
        ([3], "3: neither the name of a hidden layer"),
    ],
)
def test_layers_that_are_not_there_are_refused(layers: Any, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        prune(net(recurrent("tanh")), [sequences()], keep=2, layers=layers)


@pytest.mark.parametrize("keep", [0, -1, 7, 2.5, True])
def test_impossible_numbers_of_units_are_refused(keep: Any) -> None:
    with pytest.raises(
        InputError, match=rf"keep is {keep}; layer '0.rnn' has 6 units, so it must be 1 to 6"
    ):
        prune(net(recurrent("tanh")), [sequences()], keep=keep)


def test_numbers_for_other_layers_are_refused() -> None:
    with pytest.raises(InputError, match=r"keep names 'rnn'; the layers .* are '0\.rnn'"):
        prune(net(recurrent("tanh")), [sequences()], keep={"rnn": 3})


@pytest.mark.parametrize("extent", [{}, {"keep": 3, "tolerance": 0.1}])
def test_either_a_number_or_a_tolerance_is_given(extent: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="pass either 'keep' or 'tolerance', but not both"):
        prune(net(recurrent("tanh")), [sequences()], **extent)


def test_impossible_tolerances_and_methods_are_refused() -> None:
    with pytest.raises(InputError, match=r"tolerance is 1\.5; it must be a share"):
        prune(net(recurrent("tanh")), [sequences()], tolerance=1.5)
    with pytest.raises(InputError, match="tolerance is 'some'; it must be a share"):
        prune(net(recurrent("tanh")), [sequences()], tolerance="some")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="method is 'best'; choose from spectral, spectral-bare"):
        prune(net(recurrent("tanh")), [sequences()], keep=3, method="best")


def test_one_sample_of_one_step_keeps_what_it_can_see() -> None:
    model, x = net(recurrent("tanh")), sequences(1, 1)
    pruned = prune(model, [x], keep=1)
    torch.testing.assert_close(pruned.model(x), model(x))


def test_what_takes_values_unseen_is_noticed() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = recurrent("tanh")
            self.readout = nn.Linear(6, 6, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            states = self.rnn(x)[0]
            added: Tensor = self.readout(states) + states
            return added

    with pytest.raises(
        UnsupportedError, match="an unknown part of it takes a pruned layer's values"
    ):
        prune(Twice(), [sequences()], keep=3)


@pytest.mark.parametrize("keep", [3, 6])
def test_a_residual_connection_between_modules_of_one_size_is_noticed(keep: int) -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = recurrent("tanh")
            self.second = recurrent("tanh", inputs=6)
            self.readout = nn.Linear(6, 2, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            states = self.first(x)[0]
            result: Tensor = self.readout(states + self.second(states)[0])
            return result

    with pytest.raises(
        UnsupportedError, match="an unknown part of it takes a pruned layer's values"
    ):
        prune(Residual(), [sequences()], keep=keep)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Sequential(Recurrent(nn.LSTM(3, 6, proj_size=2)), nn.Linear(2, 2)), "projections"),
        (nn.Sequential(Recurrent(nn.GRU(3, 6)), nn.Linear(5, 2)), "'1' takes 5 values, but"),
        (nn.Sequential(Recurrent(nn.GRU(3, 6)), nn.LayerNorm(6), nn.Linear(6, 2)), "has weights"),
        (Recurrent(nn.GRU(3, 6)), "'rnn': no nn.Linear takes its values; name the layers"),
        *(
            (
                nn.Sequential(Recurrent(nn.GRU(3, 6)), nn.ReLU(), module, nn.Linear(6, 2)),
                rf"{type(module).__name__} '2' after '0\.rnn' may mix units; move it after the "
                r"nn\.Linear, or, .* name the layers: layers=\[\('0\.rnn', nn\.Linear's name\)\]",
            )
            for module in MIXING
        ),
    ],
)
def test_recurrent_models_that_cannot_be_pruned_say_why(model: nn.Module, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        prune(model, [sequences().float()], keep=2)


@pytest.mark.parametrize("module", APART, ids=lambda module: type(module).__name__)
def test_what_treats_units_apart_may_lie_in_between(module: nn.Module) -> None:
    recurrent_part = Recurrent(recurrent("tanh"))
    readout = nn.Linear(6, 2, dtype=torch.float64)
    model, x = nn.Sequential(recurrent_part, nn.Sequential(module), readout).eval(), sequences()
    assert torch.equal(prune(model, [x], keep=6).model(x), model(x))
    bounded = isinstance(module, nn.Identity | nn.Dropout)
    assert set(prune(model, [x], keep=3).report.bounds) == ({"2"} if bounded else set())


def test_a_module_that_mixes_nothing_is_passed_by_naming_the_layers() -> None:
    parts = Recurrent(recurrent("tanh")), nn.Flatten(0, 1), nn.Linear(6, 2, dtype=torch.float64)
    model, x = nn.Sequential(*parts), sequences()
    pruned = prune(model, [x], keep=6, layers=[("0.rnn", "2")])
    assert torch.equal(pruned.model(x), model(x))


def test_layers_that_did_not_run_and_states_of_other_models_are_refused() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.readout = recurrent("tanh"), nn.Linear(6, 2, dtype=torch.float64)
            self.other = net(recurrent("gru"))

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.other(x)
            return result

    with pytest.raises(InputError, match=r"no states were gathered of 'rnn\.l0' \(6 units\)"):
        prune(Unused(), [sequences()], keep=3)
    data = gather(net(recurrent("gru", units=4)), [sequences()])
    with pytest.raises(InputError, match=r"no states were gathered of '0\.rnn\.l0' \(6 units\)"):
        prune(net(recurrent("gru")), data, keep=3)


def test_batches_of_no_samples_add_nothing() -> None:
    model, x = net(recurrent("tanh")), sequences()
    assert gather(model, [x[:0], x, x[:0]]).covariances["0.rnn.l0"].count == 35
    with pytest.raises(InputError, match="no states were seen"):
        prune(model, [x[:0]], keep=3)


def test_parts_in_evaluation_mode_stay_in_it() -> None:
    model = nn.Sequential(Recurrent(recurrent("tanh")), nn.Dropout(0.5), nn.Linear(6, 2))
    model.double().train()
    model[1].eval()
    pruned = prune(model, [sequences()], keep=3).model
    assert [part.training for part in pruned] == [True, False, True]
    assert pruned.training


def test_float32_stays_float32() -> None:
    model = net(recurrent("gru")).float()
    pruned = prune(model, [sequences().float()], keep=4).model
    assert {parameter.dtype for parameter in pruned.parameters()} == {torch.float32}
    assert np.isfinite(pruned(sequences().float()).detach().numpy()).all()
