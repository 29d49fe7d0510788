"""From a recurrent float net to a graph on the command line, on a small task of sequences."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Cli

pytestmark = pytest.mark.torch

RECIPE = """
data = "fashion_mnist_rows"
epochs = 2
batch_size = 16
learning_rate = 0.01

[net]
kind = "recurrent"
input_shape = [8, 8]
classes = 3
"""
FLOAT = RECIPE + "hidden = 12"
LEVELS = RECIPE + "hidden = 6\nactivation = 'levels'\nactivation_states = 33"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with both recipes, on rows of small images, which are kept there too."""
    pytest.importorskip("torch")
    from edgespike.nn import Task
    from tests.nn.small import striped_task

    images = striped_task()
    task = Task(
        images.train_images[:, 0], images.train_labels, images.test_images[:, 0], images.test_labels
    )
    for name in ("edgespike.nn.training.train", "edgespike.prune.checkpoint"):
        monkeypatch.setattr(import_module(name), "load_task", lambda *_: task)
    monkeypatch.chdir(tmp_path)
    Path("float.toml").write_text(FLOAT)
    Path("levels.toml").write_text(LEVELS)
    np.save("x.npy", task.test_images)
    return tmp_path


@pytest.mark.usefixtures("rows")
def test_a_net_is_trained_pruned_fine_tuned_converted_and_checked(cli: Cli) -> None:
    assert cli("train", "float.toml", "-o", "float").code == 0
    assert (
        cli("prune", "float/model.safetensors", "--keep", 6, "-o", "pruned.safetensors").code == 0
    )
    trained = cli("train", "levels.toml", "--from", "pruned.safetensors", "-o", "run", "--json")
    assert trained.code == 0
    model = trained.json["model"]
    checked = cli("convert", model, "-o", "graph.safetensors", "--check", "x.npy", "--json")
    assert checked.code == 0
    (layer,) = checked.json["check"]
    assert (layer["node"], layer["neurons"], layer["unexplained"]) == ("levels1", 96 * 8 * 6, 0)
    assert "delay" in cli("show", "graph.safetensors").stdout


@pytest.mark.usefixtures("rows")
def test_the_float_net_is_not_converted_and_does_not_fit_another_recipe(cli: Cli) -> None:
    assert cli("train", "float.toml", "-o", "float").code == 0
    refused = cli("convert", "float/model.safetensors", "-o", "graph.safetensors")
    assert refused.code == 2
    assert "1 is an RNN of floats, which rounds at every step" in refused.stderr
    other = cli("train", "levels.toml", "--from", "float/model.safetensors", "-o", "run")
    assert other.code == 2
    assert "(different: activation, activation_states, hidden)" in other.stderr
    assert not Path("run").exists()
