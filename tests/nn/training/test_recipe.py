from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.errors import FileFormatError, InputError
from edgespike.nn import (
    ConvSpec,
    NetSpec,
    Task,
    forecast,
    load_draft,
    load_recipe,
    shipped_recipes,
)
from edgespike.nn.training.recipe import read_recipe

LOIHI_ACCUMULATOR = 131_071
OWN = ["images_maqd", "images_s3nn", "rows_maqd", "sequences_gru", "sequences_rnn"]


def test_the_shipped_recipes_load() -> None:
    steps = ("", "_levels", "_pruned")
    rows = ["fashion_rows_gru", *(f"fashion_rows_rnn{step}" for step in steps)]
    small = ["fashion_small_relu", "fashion_small_s3nn"]
    fashion = ["fashion_maqd", "fashion_posterior", "fashion_relu", *rows, "fashion_s3nn", *small]
    resnets = [f"cifar10_resnet{kind}" for kind in ("", "18_s3nn", "_relu", "_s3nn")]
    cifar = ["cifar10_maqd", *resnets, "cifar10_s3nn", "cifar10_vgg11_s3nn"]
    assert shipped_recipes() == [*cifar, "fashion_cnn7_s3nn", *fashion, *OWN]
    for name in shipped_recipes():
        if name not in OWN:
            load_recipe(name)


SHAPES: dict[str, list[tuple[int, ...]]] = {
    "images": [(1, 8, 8), (3, 32, 32)],
    "rows": [(4, 1, 1)],
    "sequences": [(50, 6), (1, 1)],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("signed", [False, True])
def test_the_recipes_for_data_of_ones_own_fit_it(
    name: str, signed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtype = np.int8 if signed else np.uint8
    for shape in SHAPES[name.split("_")[0]]:
        samples, labels = np.zeros((6, *shape), dtype), np.arange(6) % 3
        task = Task(samples, labels, samples, labels, class_names=("a", "b", "c"))
        monkeypatch.setattr("edgespike.nn.training.draft.read_own_task", lambda *_, task=task: task)
        recipe, _ = load_draft(name, "here").read()
        assert (recipe.net.input_shape, recipe.net.signed) == (shape, signed)
        # Loihi has no products of events, and random weights of a recurrent layer of 65 states make
        # sums too large for it.
        targets = ["cpu", "tflite", *["loihi"] * (not name.startswith("sequences"))]
        for target in targets:
            expected = forecast(recipe.net, target)
            assert not expected.certain
            assert not expected.likely


@pytest.mark.parametrize("name", ["fashion", "fashion_small", "cifar10_resnet"])
def test_the_float_net_has_the_shape_and_recipe_of_the_spiking_one(name: str) -> None:
    spiking, twin = load_recipe(f"{name}_s3nn"), load_recipe(f"{name}_relu")
    assert isinstance(spiking.net, NetSpec)
    net = replace(spiking.net, activation="relu")
    assert twin == replace(spiking, net=net, lambda_=0.0)


def test_the_residual_nets_of_cifar10_are_trained_alike() -> None:
    levels, spiking = load_recipe("cifar10_resnet"), load_recipe("cifar10_resnet_s3nn")
    assert spiking == replace(levels, net=spiking.net)


SPIKING = [
    name
    for name in shipped_recipes()
    if name not in OWN and getattr(load_recipe(name).net, "activation", "") == "spike"
]


@pytest.mark.parametrize("name", SPIKING)
def test_the_first_layer_of_a_spiking_net_stays_inside_loihis_accumulator(name: str) -> None:
    net = load_recipe(name).net
    assert isinstance(net, NetSpec)
    first = net.layers[0]
    assert isinstance(first, ConvSpec)
    largest_weight = 2 ** (first.bits - 1) - 1
    assert 255 * first.fan_in(net.input_shape[0]) * largest_weight <= LOIHI_ACCUMULATOR


def test_a_recipe_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        "epochs = 2\nlearning_rate = 1\n"
        "[net]\ninput_shape = [1, 4, 4]\nclasses = 2\n"
        "[[net.layers]]\nkind = 'dense'\nfeatures = 3\n"
    )
    recipe = load_recipe(path)
    assert (recipe.epochs, recipe.learning_rate, recipe.net.input_shape) == (2, 1, (1, 4, 4))
    assert recipe.data == "fashion_mnist"


NET = "\n[net]\ninput_shape = [1, 4, 4]\nclasses = 2\nlayers = []"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("epochs = ", "mine.toml is not valid TOML"),
        ("epochs = 2", "recipe.net is None, expected a table"),
        ("epochs = 'two'\nsped = 1" + NET, "recipe.epochs is 'two', expected int"),
        ("epochs = 'two'\nsped = 1" + NET, "recipe.sped is not known; known are net, epochs"),
        ("epochs = 0" + NET, "recipe: epochs is 0; it must be 1 to 2147483647"),
        ("epochs = 1\npenalty = 'joules'" + NET, "recipe: penalty is 'joules'; it must be one of"),
        ("epochs = 1\ndata = 'digits'" + NET, "data is 'digits', known are fashion_mnist, mnist, "),
        ("epochs = 1\ndata = 10" + NET, "recipe.data is 10, expected str"),
    ],
)
def test_faults_of_a_recipe_are_named(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=fault):
        load_recipe(path)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("seed = -1", "seed is -1; it must be 0 to 9223372036854775807"),
        ("seed = 9223372036854775808", "seed is 9223372036854775808; it must be 0 to"),
        ("shift = -1", "shift is -1; it must be 0 to 4"),
        ("shift = 5", "shift is 5; it must be 0 to 4"),
        ("label_smoothing = 5", "label_smoothing is 5; it must be 0 to 1"),
        ("label_smoothing = nan", "label_smoothing is nan; it must be 0 to 1"),
        ("lambda = -1e-3", "lambda is -0.001; it must be 0 to"),
        ("lambda = nan", "lambda is nan; it must be 0 to"),
        ("penalty = -1e-3", "lambda is -0.001; it must be 0 to"),
        ("lambda = 1e-3", "lambda is 0.001, but no layer of the net receives spikes"),
        ("p = 0", "p is 0; it must be 1 or 2"),
        ("penalty_power = 3", "p is 3; it must be 1 or 2"),
        ("learning_rate = -1.0", "learning_rate is -1.0; it must be 0 to"),
        ("learning_rate = inf", "learning_rate is inf; it must be 0 to"),
        ("warmup_epochs = -0.5", "warmup_epochs is -0.5; it must be 0 to"),
        ("weight_decay = -1", "weight_decay is -1; it must be 0 to"),
        ("batch_size = 1", "batch_size is 1; it must be 2 to"),
        ("limit = -1", "limit is -1; it must be 0 to"),
    ],
)
def test_values_out_of_range_are_named(tmp_path: Path, entry: str, fault: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"epochs = 1\n{entry}{NET}")
    with pytest.raises(FileFormatError, match=fault):
        load_recipe(path)


@pytest.mark.parametrize("net", ["", "\n[net]\nclasses = 2\nlayers = []", NET])
def test_all_faults_are_named_at_once(tmp_path: Path, net: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 0\nlabel_smoothing = 5\npenalty = 'joules'" + net)
    with pytest.raises(FileFormatError) as caught:
        load_recipe(path)
    for name in ("epochs is 0", "label_smoothing is 5", "penalty is 'joules'"):
        assert name in str(caught.value)
    assert ("recipe.net" in str(caught.value)) == (net != NET)


def test_entries_of_older_files_are_read(tmp_path: Path) -> None:
    path, head = tmp_path / "mine.toml", "epochs = 1\n"
    net = NET.replace("layers = []", "layers = [{kind = 'dense', features = 3}]")
    path.write_text(head + "penalty = 1e-3\npenalty_cost = 'spike_count'\npenalty_power = 2" + net)
    older = load_recipe(path)
    assert (older.penalty, older.lambda_, older.p) == ("spike_count", 1e-3, 2)
    path.write_text(head + "penalty = 'spike_count'\nlambda = 1e-3\np = 2" + net)
    assert load_recipe(path) == older
    # Changed before it is read, the number is not taken for a kind.
    path.write_text(head + "penalty = 1e-3" + net)
    changed = load_draft(path).override(penalty="layer_balanced", p=2).recipe()
    assert (changed.penalty, changed.lambda_, changed.p) == ("layer_balanced", 1e-3, 2)


def test_a_table_of_a_recipe_has_the_names_of_its_entries() -> None:
    recipe = replace(load_recipe("fashion_s3nn"), lambda_=2e-9, p=2, penalty="layer_balanced")
    table = recipe.to_table()
    assert (table["penalty"], table["lambda"], table["p"]) == ("layer_balanced", 2e-9, 2)
    assert read_recipe(json.loads(json.dumps(table)), "recipe", []) == recipe
    assert "bump" not in table["net"]  # as in the files of nets that have no other


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="come with edgespike: cifar10_maqd, cifar10_resnet"):
        load_recipe("nothing")


def test_some_values_can_be_overridden() -> None:
    recipe = load_recipe("fashion_s3nn")
    changed = recipe.override(epochs=2, limit=100)
    assert changed == replace(recipe, epochs=2, limit=100)
    assert recipe.override() == recipe
    with pytest.raises(InputError, match="epochs is 0; it must be 1 to 2147483647"):
        recipe.override(epochs=0)
