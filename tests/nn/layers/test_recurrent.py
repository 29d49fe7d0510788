"""Recurrent nets: their descriptions, the float nets, and training runs with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgespike.errors import InputError
from edgespike.nn import (
    LastStep,
    QuantLinear,
    QuantRNN,
    Recipe,
    Recurrent,
    RecurrentSpec,
    Task,
    build,
    load_model,
    save_model,
    train,
)
from edgespike.nn.nets.spec import read_spec
from tests.nn.small import NET, RECIPE, striped_task

SPEC = RecurrentSpec((6, 5), classes=3, hidden=7)
ROWS = RecurrentSpec((8, 8), classes=3, hidden=12)
ROWS_RECIPE = Recipe(
    ROWS, epochs=6, batch_size=16, learning_rate=1e-2, gradient_norm=1.0, data="fashion_mnist_rows"
)
LEVELS: dict[str, Any] = {"activation": "levels", "activation_states": 9}


def sequences(samples: int, spec: RecurrentSpec = SPEC) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (samples, *spec.input_shape), generator=generator).byte()


def rows_task() -> Task:
    images = striped_task()
    pictures = images.train_images[:, 0]
    return Task(pictures, images.train_labels, pictures, images.test_labels)


@pytest.mark.parametrize(
    ("cell", "kind"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)], ids=str
)
def test_a_float_net_classifies_by_its_last_step(cell: Any, kind: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    net = build(replace(SPEC, cell=cell, layers=2))
    assert [type(part).__name__ for part in net] == [
        "InputScale",
        "Recurrent",
        "LastStep",
        "Linear",
    ]
    rnn = net.get_submodule("1.rnn")
    assert isinstance(rnn, kind)
    x = sequences(4)
    _, last = rnn(x / 255)
    top = last[0][-1] if cell == "lstm" else last[-1]
    torch.testing.assert_close(net(x), net[-1](top))


def test_a_net_of_levels_has_the_same_parts() -> None:
    net = build(replace(SPEC, layers=2, **LEVELS))
    assert [type(part) for part in net][1:] == [QuantRNN, QuantRNN, LastStep, QuantLinear]
    assert net(sequences(4)).shape == (4, 3)


def test_the_input_may_have_few_states() -> None:
    net = build(replace(SPEC, input_states=4, **LEVELS))
    rounded = net[:2](sequences(50))
    torch.testing.assert_close(rounded.unique(), torch.tensor([0, 1, 2, 3]) / 3)
    assert net(sequences(4)).shape == (4, 3)


def test_identity_makes_the_untrained_layer_keep_what_it_has_seen() -> None:
    net = build(replace(SPEC, nonlinearity="relu", initialisation="identity", layers=2))
    weights = dict(net.named_parameters())
    for layer in (0, 1):
        assert torch.equal(weights[f"1.rnn.weight_hh_l{layer}"], torch.eye(7))
        assert not weights[f"1.rnn.bias_ih_l{layer}"].any()
        assert 0 < weights[f"1.rnn.weight_ih_l{layer}"].abs().max() < 0.01


def test_a_layer_with_its_batch_on_the_second_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_first False; it must be True"):
        Recurrent(nn.RNN(2, 3))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cell": "lstm", "layers": 2},
        {"initialisation": "identity"},
        {**LEVELS, "layers": 2},
        {**LEVELS, "cell": "gru"},
    ],
    ids=str,
)
def test_a_net_survives_the_way_through_a_checkpoint(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    spec = replace(SPEC, **changes)
    net = build(spec)
    save_model(tmp_path / "net", net, spec)
    again, found, _ = load_model(tmp_path / "net")
    assert found == spec
    assert torch.equal(again(sequences(5)), net(sequences(5)))


def test_a_description_survives_the_way_through_json() -> None:
    faults: list[str] = []
    table = json.loads(json.dumps(replace(SPEC, **LEVELS).to_table()))
    assert read_spec(table, "net", faults) == replace(SPEC, **LEVELS)
    assert faults == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"input_shape": (1, 8, 8)}, r"input_shape is \(1, 8, 8\); steps .* and features"),
        ({"input_shape": (0, 8)}, r"input_shape is \(0, 8\)"),
        ({"hidden": 0}, "hidden is 0; it must be a whole number from 1 to"),
        ({"layers": 0}, "layers is 0; it must be a whole number from 1 to"),
        ({"classes": True}, "classes is True"),
        (
            {"bits": 9, "readout_bits": 1},
            "bits is 9; it must be a whole number from 2 to 8; readout_bits is 1",
        ),
        ({"cell": "qrnn"}, "cell is 'qrnn'; it must be one of rnn, gru, lstm"),
        ({"nonlinearity": "sigmoid"}, "nonlinearity is 'sigmoid'"),
        ({"cell": "lstm", **LEVELS}, "cell is lstm, rnn or gru is needed with levels: what the"),
        ({"cell": "gru", "gate_states": 1}, "gate_states is 1; it must be a whole number from 2"),
        ({"cell": "gru", **LEVELS, "activation_states": 8}, "activation_states is 8, an odd"),
        (
            {"cell": "lstm", "nonlinearity": "relu"},
            "tanh and default are needed with the cell lstm",
        ),
        ({**LEVELS, "activation_states": 16}, "16, an odd number is needed with tanh"),
        (
            {"activation_states": 1},
            "activation_states is 1; it must be a whole number from 2 to 256",
        ),
        ({"input_states": 1}, "input_states is 1; it must be a whole number from 2 to 256"),
    ],
    ids=str,
)
def test_faults_of_a_description_are_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        replace(SPEC, **changes)


def test_faults_of_a_table_are_named() -> None:
    faults: list[str] = []
    table = {"kind": "recurrent", "input_shape": [6, 5], "classes": 3, "units": 7}
    assert read_spec(table, "net", faults) is None
    assert [fault.partition(" is ")[0] for fault in faults] == ["net.units", "net.hidden"]


def test_an_unknown_kind_of_net_is_named() -> None:
    faults: list[str] = []
    assert read_spec({"kind": "transformer", "input_shape": [6, 5]}, "net", faults) is None
    assert faults == ["net.kind is 'transformer'; 'recurrent' is known, or leave it out"]


@pytest.mark.parametrize("changes", [{"flip": True}, {"shift": 1}], ids=str)
def test_sequences_are_not_mirrored_or_moved(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="are for images; a recurrent net needs false and 0"):
        replace(ROWS_RECIPE, **changes)


@pytest.mark.parametrize("changes", [{}, {"averaging": 0.5}], ids=str)
def test_a_float_net_learns(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = replace(ROWS_RECIPE, **changes)
    result = train(recipe, tmp_path / "run", task=rows_task(), quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.9
    assert result.history[-1]["test_synaptic_operations"] is None


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_net_of_levels_is_fine_tuned_from_its_float_net(
    tmp_path: Path, nonlinearity: Any
) -> None:
    net = replace(ROWS, nonlinearity=nonlinearity)
    recipe = replace(ROWS_RECIPE, net=net, epochs=10, learning_rate=3e-3)
    before = train(recipe, tmp_path / "float", task=rows_task(), quiet=True)
    fine = replace(recipe, net=replace(net, activation="levels", activation_states=65), epochs=5)
    result = train(fine, tmp_path / "run", task=rows_task(), start=before.model, quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.9
    assert result.history[-1]["test_synaptic_operations"] > 0
    first = json.loads(result.log.read_text().splitlines()[0])
    _, _, metadata = load_model(before.model)
    assert first["start"]["metadata"] == metadata
    assert first["start"]["test_accuracy"] > 0.6
    assert load_model(result.model)[2]["start"] == first["start"]


def test_a_run_that_started_from_a_net_resumes_without_it(tmp_path: Path) -> None:
    before = train(ROWS_RECIPE.override(epochs=1), tmp_path / "a", task=rows_task(), quiet=True)
    other = replace(ROWS_RECIPE, seed=3, net=replace(ROWS, initialisation="identity"))
    whole = train(other, tmp_path / "b", task=rows_task(), start=before.model, quiet=True)
    content = whole.model.read_bytes()
    before.model.unlink()
    again = train(other, tmp_path / "b", task=rows_task(), resume=True, quiet=True)
    assert again == whole
    assert whole.model.read_bytes() == content


def test_a_feed_forward_net_starts_from_its_own_checkpoint(tmp_path: Path) -> None:
    first = train(RECIPE, tmp_path / "a", task=striped_task(), quiet=True)
    recipe = replace(RECIPE, epochs=1, learning_rate=0.0, weight_decay=0.0)
    second = train(recipe, tmp_path / "b", task=striped_task(), start=first.model, quiet=True)
    kept, weights = (load_model(run.model)[0].state_dict() for run in (first, second))
    assert all(torch.equal(kept[name], weights[name]) for name in kept if "weight" in name)


@pytest.mark.parametrize(
    ("net", "different"),
    [
        (NET, "kind"),
        (replace(ROWS, hidden=5), "hidden"),
        (replace(ROWS, hidden=5, activation="levels"), "activation, hidden"),
        (replace(ROWS, nonlinearity="relu", layers=2), "layers, nonlinearity"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_start_from_another_net_is_refused(tmp_path: Path, net: Any, different: str) -> None:
    save_model(tmp_path / "net", build(ROWS), ROWS)
    recipe = replace(ROWS_RECIPE, net=net)
    task = striped_task() if net is NET else rows_task()
    with pytest.raises(
        InputError,
        match=rf"does not hold the net that the recipe trains \(different: {different}\)",
    ):
        train(recipe, tmp_path / "run", task=task, start=tmp_path / "net", quiet=True)


def test_a_gated_net_of_levels_learns_and_its_start_from_a_float_one_is_refused(
    tmp_path: Path,
) -> None:
    spec = replace(ROWS, cell="gru", activation="levels", activation_states=127)
    recipe = replace(ROWS_RECIPE, net=spec, epochs=15, lambda_=1e-9)
    result = train(recipe, tmp_path / "run", task=rows_task(), quiet=True)
    last = result.history[-1]
    assert (last["test_accuracy"] or 0) > 0.9
    assert (last["test_synaptic_operations"] or 0) > 0
    floats = replace(ROWS, cell="gru")
    save_model(tmp_path / "net", build(floats), floats)
    with pytest.raises(InputError, match="from random weights: the reset gate of torch's GRU"):
        train(recipe, tmp_path / "again", task=rows_task(), start=tmp_path / "net", quiet=True)


def test_states_beyond_all_numbers_are_refused(tmp_path: Path) -> None:
    spec = replace(ROWS, nonlinearity="relu")
    net = build(spec)
    nn.init.constant_(net.get_parameter("1.rnn.weight_hh_l0"), 1e30)
    nn.init.constant_(net.get_parameter("1.rnn.weight_ih_l0"), 1e30)
    save_model(tmp_path / "net", net, spec)
    recipe = replace(ROWS_RECIPE, net=replace(spec, activation="levels"))
    with pytest.raises(InputError, match="become infinite or NaN"):
        train(recipe, tmp_path / "run", task=rows_task(), start=tmp_path / "net", quiet=True)


def test_long_gradients_are_shortened(tmp_path: Path) -> None:
    """In AdamW's first step the direction of the gradient matters, but not its length."""
    recipe = replace(ROWS_RECIPE, epochs=2)
    runs = [
        train(
            replace(recipe, gradient_norm=norm), tmp_path / str(norm), task=rows_task(), quiet=True
        )
        for norm in (0.0, 1e9, 1e-3)
    ]
    losses = [run.history[-1]["train_loss"] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert np.isfinite(losses).all()
