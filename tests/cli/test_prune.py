"""From a trained net to a smaller one on the command line, on a small task of sequences."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

from tests.cli.conftest import Cli, Result

pytestmark = pytest.mark.torch

RECURRENT = """
data = "fashion_mnist_rows"
epochs = 2
batch_size = 16
learning_rate = 0.01

[net]
kind = "recurrent"
input_shape = [8, 8]
classes = 3
hidden = 12
"""
RELU = """
epochs = 1
batch_size = 16

[net]
input_shape = [1, 8, 8]
classes = 3
activation = "relu"

[[net.layers]]
kind = "conv"
channels = 6
pool = 2

[[net.layers]]
kind = "dense"
features = 10
"""
RESIDUAL = RELU.replace(
    '[[net.layers]]\nkind = "dense"',
    '[[net.layers]]\nkind = "residual"\nchannels = 6\n\n[[net.layers]]\nkind = "dense"',
)
# By hand: the sum of what each gate, layer and the readout multiply in 8 steps.
OPERATIONS = {
    "rnn": 8 * (12 * 8 + 12 * 12) + 3 * 12,
    "gru": 8 * 3 * (12 * 8 + 12 * 12) + 3 * 12,
    "lstm": 8 * 4 * (12 * 8 + 12 * 12) + 3 * 12,
}


@pytest.fixture
def train(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a function that trains a recipe into the folder ``run``."""
    pytest.importorskip("torch")
    from edgespike.nn import Task
    from tests.nn.small import striped_task

    def load(_: str, shape: tuple[int, ...], classes: int) -> Task:
        task = striped_task()
        images = task.train_images.reshape(-1, *shape)
        return Task(images, task.train_labels, images, task.test_labels)

    for place in ("edgespike.nn.training.train", "edgespike.prune.checkpoint"):
        monkeypatch.setattr(import_module(place), "load_task", load)
    monkeypatch.chdir(tmp_path)

    def run(recipe: str, *options: object) -> Result:
        Path("recipe.toml").write_text(recipe)
        return cli("train", "recipe.toml", "-o", "run", *options)

    return run


def test_a_pruned_net_can_be_pruned_and_trained_again(cli: Cli, train: Cli) -> None:
    train(RECURRENT)
    answer = cli("prune", "run/model.safetensors", "--keep", 5, "-o", "small.safetensors", "--json")
    assert answer.code == 0
    assert answer.json["file"] == "small.safetensors"
    assert answer.json["before"]["weights"] == 12 * 8 + 12 * 12 + 3 * 12
    assert answer.json["after"]["weights"] == 5 * 8 + 5 * 5 + 3 * 5
    assert len(answer.json["layers"][0]["kept"]) == 5
    again = cli("prune", "small.safetensors", "--keep", 5, "--json")
    assert again.json["before"] == answer.json["after"]
    smaller = RECURRENT.replace("hidden = 12", "hidden = 5").replace("epochs = 2", "epochs = 1")
    Path("run").rename("float")
    assert train(smaller, "--from", "small.safetensors").code == 0


@pytest.mark.parametrize("cell", OPERATIONS)
def test_operations_are_those_of_every_gate_and_step(cli: Cli, train: Cli, cell: str) -> None:
    train(f'{RECURRENT}\ncell = "{cell}"')
    answer = cli("prune", "run/model.safetensors", "--keep", 12, "--json").json
    assert answer["before"]["operations"] == OPERATIONS[cell]
    assert answer["before"] == answer["after"]


def test_a_smaller_tolerance_keeps_more_units(cli: Cli, train: Cli) -> None:
    train(RECURRENT)
    few, many = (
        cli("prune", "run/model.safetensors", "--tolerance", share, "--json").json
        for share in (0.2, 0.001)
    )
    kept = [len(answer["layers"][0]["kept"]) for answer in (few, many)]
    assert kept[0] < kept[1] <= 12


def test_a_feed_forward_net_loses_channels_and_features(cli: Cli, train: Cli) -> None:
    train(RELU)
    answer = cli("prune", "run/model.safetensors", "--keep", 4, "-o", "small.safetensors", "--json")
    assert answer.code == 0
    assert answer.json["after"]["weights"] == 4 * 9 + 4 * 4 * 16 + 3 * 4
    assert cli("prune", "small.safetensors", "--keep", 4).code == 0


def test_residual_blocks_stay_as_they_are(cli: Cli, train: Cli) -> None:
    train(RESIDUAL)
    answer = cli("prune", "run/model.safetensors", "--keep", 4, "-o", "small.safetensors", "--json")
    assert answer.code == 0
    # The first convolution, the two of the block, and dense layers of 4 units.
    assert answer.json["after"]["weights"] == 6 * 9 + 2 * 6 * 6 * 9 + 4 * 6 * 16 + 3 * 4
    again = cli("prune", "small.safetensors", "--keep", 4, "--json")
    assert again.json["before"] == answer.json["after"]


def test_the_table_shows_the_net_before_and_after(cli: Cli, train: Cli) -> None:
    train(RECURRENT)
    text = cli("prune", "run/model.safetensors", "--keep", 5).stdout
    for expected in ("before", "after", "276", "80", "this layer needs about"):
        assert expected in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--keep", 13), "keep is 13"),
        (("--keep", 0), "keep is 0"),
        ((), "pass either 'keep' or 'tolerance', but not both"),
        (("--keep", 5, "--tolerance", 0.1), "pass either 'keep' or 'tolerance', but not both"),
        (("--tolerance", 1.5), "tolerance is 1.5"),
        (("--keep", 5, "--method", "best"), "method is 'best'; choose from spectral"),
        (("--keep", 5, "--data", "imagenet"), "data is 'imagenet'; name the data set"),
        (("--keep", 5, "--method", "low-rank", "-o", "x.safetensors"), "measure it without --out"),
        (("--keep", 5, "--method", "magnitude", "-o", "x.safetensors"), "measure it without --out"),
    ],
)
def test_wrong_use_is_named_and_writes_nothing(
    cli: Cli, train: Cli, options: tuple[object, ...], message: str
) -> None:
    train(RECURRENT)
    answer = cli("prune", "run/model.safetensors", *options)
    assert answer.code == 2
    assert message in answer.stderr
    assert not Path("x.safetensors").exists()


@pytest.mark.parametrize(
    ("data", "shape"), [("mnist", r"(1, 28, 28)"), ("cifar10", r"(3, 32, 32)")]
)
def test_data_that_does_not_fit_the_net_is_named(
    cli: Cli, tmp_path: Path, data: str, shape: str
) -> None:
    pytest.importorskip("torch")
    from edgespike.nn import RecurrentSpec, build, save_model

    spec = RecurrentSpec((28, 28), classes=10, hidden=8)
    save_model(tmp_path / "rows.safetensors", build(spec), spec, {})
    answer = cli("prune", tmp_path / "rows.safetensors", "--keep", 4, "--data", data)
    assert (answer.code, answer.stdout) == (2, "")
    assert f"data {data} has samples of shape {shape} and 10 classes" in answer.stderr
    assert "or use data that fits it (fashion_mnist_rows)" in answer.stderr


def test_help_names_every_method() -> None:
    from edgespike.cli.prune import command
    from edgespike.prune import Method

    (option,) = get_type_hints(command, include_extras=True)["method"].__metadata__
    _, _, others = option.help.rstrip(".").rpartition(": ")
    assert {"spectral", *others.split(", ")} == {method.value for method in Method}


@pytest.mark.parametrize("place", ["nowhere/x.safetensors", ".", "run/model.safetensors"])
def test_a_place_that_cannot_be_written_is_named_before_anything_runs(
    cli: Cli, train: Cli, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    train(RECURRENT)
    monkeypatch.setattr("edgespike.prune.checkpoint.prune", None)
    answer = cli("prune", "run/model.safetensors", "--keep", 4, "-o", place)
    assert answer.code == 2
    assert f"cannot write {place}: " in answer.stderr


@pytest.mark.parametrize("start", ["prune", "train"])
def test_a_net_of_doubles_is_named(cli: Cli, train: Cli, start: str) -> None:
    from edgespike.nn import load_model, save_model

    train(RECURRENT)
    model, spec, metadata = load_model(Path("run/model.safetensors"))
    save_model(Path("double.safetensors"), model.double(), spec, metadata)
    if start == "prune":
        answer = cli("prune", "double.safetensors", "--keep", 4)
    else:
        answer = cli("train", "recipe.toml", "-o", "again", "--from", "double.safetensors")
    assert answer.code == 2
    assert "in torch.float64, expected torch.float32" in answer.stderr


def test_a_net_of_spikes_is_refused(cli: Cli, train: Cli) -> None:
    train(RELU.replace('"relu"', '"spike"'))
    answer = cli("prune", "run/model.safetensors", "--keep", 4)
    assert answer.code == 2
    assert "its neurons emit spike; prune the float net" in answer.stderr
