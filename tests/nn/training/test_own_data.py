"""Recipes for data of one's own: what the net takes from the data, and what a run records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import edgespike
from edgespike.data.own import DataOptions, OwnData, Part, read_data
from edgespike.errors import FileFormatError, InputError
from edgespike.graph import Scaling
from edgespike.graph.graph import NAME_LIMIT, check_name
from edgespike.nn import (
    ConvSpec,
    NetSpec,
    RecurrentSpec,
    load_draft,
    load_model,
    load_recipe,
    train,
)
from edgespike.nn.training.own_task import arranged_scaling, own_task
from edgespike.nn.training.train import graph_name

IMAGES = """
epochs = 3
batch_size = 16
learning_rate = 0.01

[net]
activation = "spike"

[[net.layers]]
kind = "conv"
channels = 4
pool = 2
bits = 6
"""
SEQUENCES = """
epochs = 2
batch_size = 16

[net]
kind = "recurrent"
hidden = 6
activation = "levels"
"""


def write_images(folder: Path, seed: int = 0) -> Path:
    """Write 8-bit images of horizontal stripes, of vertical ones and of noise, (90, 1, 8, 8)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % 3
    stripes = np.tile(np.array([[0], [200]]), (4, 8))
    pictures = np.stack([stripes, stripes.T, np.full((8, 8), 100)])[labels]
    images = (pictures + rng.integers(0, 56, (90, 8, 8))).astype(np.uint8)[:, None]
    folder.mkdir()
    np.save(folder / "samples.npy", images)
    np.save(folder / "labels.npy", labels)
    (folder / "classes.txt").write_text("flat\nupright\nneither\n")
    return folder


def write_recording(path: Path, recordings: int = 12, rows: int = 24) -> Path:
    """Write a CSV file of waves of two frequencies in two channels, by three people."""
    rng = np.random.default_rng(0)
    lines = ["recording,person,label,x,y"]
    for number in range(recordings):
        label = ("slow", "fast")[number % 2]
        phase = rng.uniform(0, 6)
        for row in range(rows):
            wave = np.sin(phase + row * (0.3, 1.5)[number % 2])
            noise = rng.normal(0, 0.1, 2)
            x, y = 9.8 * wave + noise[0], -0.1 * wave + 0.01 * noise[1]
            lines.append(f"r{number},p{number // 2 % 3},{label},{x:.4f},{y:.4f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images.toml").write_text(IMAGES)
    return write_images(tmp_path / "data")


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_net_follows_the_data(images: Path, tmp_path: Path) -> None:
    recipe, task = load_draft(tmp_path / "images.toml", images).read()
    assert isinstance(recipe.net, NetSpec)
    assert (recipe.net.input_shape, recipe.net.classes, recipe.net.signed) == ((1, 8, 8), 3, False)
    assert recipe.data == DataOptions(str(images))
    assert task is not None
    assert task.class_names == ("flat", "upright", "neither")
    assert [len(samples) for _, samples, _ in task.parts()] == [66, 6, 18]


def test_signed_sequences_with_a_scaling_are_followed(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(SEQUENCES)
    data = write_recording(tmp_path / "waves.csv")
    draft = load_draft(tmp_path / "r.toml", data, window=12, group="person")
    recipe, task = draft.read()
    assert isinstance(recipe.net, RecurrentSpec)
    assert (recipe.net.input_shape, recipe.net.classes, recipe.net.signed) == ((12, 2), 2, True)
    assert task is not None
    assert task.scaling is not None
    assert len(task.scaling.step) == 2
    assert task.train_images.dtype == np.int8
    result = train(recipe, tmp_path / "run", task=task, quiet=True)
    graph = edgespike.load(result.model)
    assert graph.class_names == ("fast", "slow")
    assert graph.scaling == task.scaling
    assert (graph.input_op.low, graph.input_op.high) == (-127, 127)
    module, _, metadata = load_model(result.model)
    assert metadata["source"]["sha256"] == task.source["sha256"]  # type: ignore[index]
    trace = edgespike.run(graph, task.test_images)
    with torch.inference_mode():
        logits = module(torch.from_numpy(task.test_images)).numpy()
    assert (trace.classes(graph) == logits.argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("classes = 4", "net.classes is 4 in the recipe, 3 in the data"),
        (
            "input_shape = [1, 8, 9]",
            r"input_shape is \[1, 8, 9\] in the recipe, \[1, 8, 8\] in",
        ),
        ("signed = true", "net.signed is True in the recipe, False in the data"),
    ],
)
def test_a_stated_value_that_contradicts_the_data_is_an_error_that_says_both(
    images: Path, tmp_path: Path, entry: str, said: str
) -> None:
    (tmp_path / "images.toml").write_text(IMAGES.replace("[net]", f"[net]\n{entry}"))
    with pytest.raises(InputError, match=said):
        load_draft(tmp_path / "images.toml", images).read()


def test_values_that_agree_with_the_data_may_be_stated(images: Path, tmp_path: Path) -> None:
    stated = IMAGES.replace("[net]", "[net]\nclasses = 3\ninput_shape = [1, 8, 8]\nsigned = false")
    (tmp_path / "images.toml").write_text(stated)
    assert load_draft(tmp_path / "images.toml", images).read()[0].net.classes == 3


def test_the_path_in_a_recipe_is_relative_to_the_recipe(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = IMAGES.replace("[net]", "[data]\npath = 'data'\ntest = 0.5\n\n[net]")
    (tmp_path / "images.toml").write_text(text)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    recipe, task = load_draft("../images.toml").read()
    assert isinstance(recipe.data, DataOptions)
    assert Path(recipe.data.path).resolve() == images.resolve()
    assert task is not None
    assert len(task.test_images) == 45
    other = load_draft("../images.toml", "over_there").data
    assert other == replace(recipe.data, path="over_there")


def test_a_net_may_follow_a_known_data_set(tmp_path: Path) -> None:
    recipe, task = load_draft("images_s3nn", "mnist").read()
    assert (recipe.data, recipe.net.input_shape, recipe.net.classes) == ("mnist", (1, 28, 28), 10)
    assert task is None


@pytest.mark.parametrize(
    ("recipe", "options", "said"),
    [
        ("images_s3nn", {}, "recipe images_s3nn is for data of one's own, and names none"),
        ("images_s3nn", {"data": "mnist", "window": 3}, "window is for data of one's own, and mn"),
        ("images_s3nn", {"data": "nowhere"}, "there is no nowhere"),
    ],
)
def test_data_that_is_not_there_is_told(recipe: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_draft(recipe, **options).read()


def test_options_without_a_path_say_what_is_missing() -> None:
    with pytest.raises(FileFormatError, match=r"not valid; give --data PATH .*\n.*path is missing"):
        load_draft("images_s3nn", window=3)


def test_faults_of_a_recipe_are_named_before_data_is_read(tmp_path: Path) -> None:
    text = IMAGES.replace("epochs = 3", "epochs = 0").replace("channels = 4", "channels = 0")
    (tmp_path / "r.toml").write_text(text.replace("[net]", "[net]\nspeed = 1"))
    with pytest.raises(FileFormatError) as caught:
        load_draft(tmp_path / "r.toml", "nowhere").read()
    for fault in ("epochs is 0", "channels is 0", "recipe.net.speed is not known"):
        assert fault in str(caught.value)


def test_a_net_that_does_not_fit_the_samples_is_an_error(images: Path, tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text(IMAGES.replace("pool = 2", "pool = 9"))
    with pytest.raises(FileFormatError, match=r"shape \(1, 8, 8\) and 3 classes:\n.*gives 0x0"):
        load_draft(tmp_path / "images.toml", images).read()


def test_a_recipe_that_follows_the_data_is_not_one_without_it() -> None:
    with pytest.raises(FileFormatError, match="leaves an entry to the data: give input_shape and"):
        load_recipe("images_s3nn")


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (67, "the limit is 67 samples, the data has 66 for training"),
        (2, "1 of 3 classes have no samples for training"),
    ],
)
def test_a_limit_that_does_not_fit_the_data_is_an_error(
    images: Path, tmp_path: Path, limit: int, said: str
) -> None:
    recipe, task = load_draft(tmp_path / "images.toml", images).override(limit=limit).read()
    with pytest.raises(InputError, match=said):
        train(recipe, tmp_path / "run", task=task, quiet=True)
    assert not (tmp_path / "run").exists()


def own_frames() -> OwnData:
    frames = np.arange(4 * 2 * 3 * 5 * 7, dtype=np.uint8).reshape(4, 2, 3, 5, 7)
    part = Part(frames, np.array([0, 1, 0, 1]))
    scaling = Scaling((0.0, 1.0, 2.0), (1.0, 2.0, 3.0))
    return OwnData(part, part, part, ("a", "b"), scaling, {"sha256": "0"})


def test_frames_become_channels_of_images_and_features_of_sequences() -> None:
    frames = own_frames().train.samples
    images, steps = (own_task(own_frames(), recurrent) for recurrent in (False, True))
    assert images.train_images.shape == (4, 6, 5, 7)
    assert (images.train_images[:, 4] == frames[:, 1, 1]).all()
    assert steps.train_images.shape == (4, 2, 105)
    assert (steps.train_images[:, 1, 35:70] == frames[:, 1, 1].reshape(4, 35)).all()


@pytest.mark.parametrize("recurrent", [False, True])
def test_the_scaling_goes_with_the_frames(recurrent: bool) -> None:
    data, measured = own_frames(), np.random.default_rng(0).normal(50, 30, (4, 2, 3, 5, 7))
    assert data.scaling is not None
    whole = data.scaling.apply(measured, (3, 5, 7), 0, 255)
    shape = (2, 105) if recurrent else (6, 5, 7)
    scaling = arranged_scaling(data.scaling, (2, 3, 5, 7), recurrent)
    found = scaling.apply(measured.reshape(4, *shape), shape[recurrent:], 0, 255)
    assert (found == whole.reshape(found.shape)).all()


def test_a_recurrent_net_refuses_images(images: Path, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(SEQUENCES)
    with pytest.raises(InputError, match=r"images of shape \(1, 8, 8\).* is recurrent"):
        load_draft(tmp_path / "r.toml", images).read()


def test_classes_without_training_samples_are_named() -> None:
    data = replace(own_frames(), class_names=("a", "b", "c"))
    with pytest.raises(InputError, match="1 of 3 classes have no samples for training: c"):
        own_task(data, recurrent=False)


def test_validation_is_measured_and_the_source_is_recorded(images: Path, tmp_path: Path) -> None:
    recipe, task = load_draft(tmp_path / "images.toml", images).read()
    result = train(recipe, tmp_path / "run", task=task, quiet=True)
    head, *epochs = lines_of(result.log)
    assert head["source"] == read_data(DataOptions(str(images))).source
    assert head["recipe"]["data"]["path"] == str(images)
    assert [0 <= epoch["validation_accuracy"] <= 1 for epoch in epochs] == [True] * 3
    assert "validation_loss" in load_model(result.model)[2]


def test_a_recipe_with_its_data_needs_no_task(images: Path, tmp_path: Path) -> None:
    recipe, task = load_draft(tmp_path / "images.toml", images).read()
    alone = train(recipe, tmp_path / "alone", quiet=True)
    given = train(recipe, tmp_path / "given", task=task, quiet=True)
    assert alone.model.read_bytes() == given.model.read_bytes()


def test_without_a_share_for_validation_none_is_measured(images: Path, tmp_path: Path) -> None:
    recipe, task = load_draft(tmp_path / "images.toml", images, validation=0.0).read()
    result = train(replace(recipe, epochs=1), tmp_path / "run", task=task, quiet=True, report=True)
    assert not [name for name in result.history[0] if name.startswith("validation")]
    assert result.results is not None
    assert "curves.png" in result.results.files


def test_a_recurrent_net_refuses_rows_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(SEQUENCES)
    rows = "".join(f"{n},{n % 3}.5,{'ab'[n % 2]}\n" for n in range(30))
    (tmp_path / "rows.csv").write_text(f"x,y,label\n{rows}")
    with pytest.raises(InputError, match=r"rows of shape \(2, 1, 1\).* such as rows_maqd"):
        load_draft(tmp_path / "r.toml", tmp_path / "rows.csv").read()


TRAIN = """
import os, signal, sys
from pathlib import Path
import torch
from edgespike.nn import load_draft, train
from edgespike.nn.training.run_folder import RunFolder

torch.set_num_threads(1)
whole_save = RunFolder.save

def save(folder, tensors, log):
    if len(log.epochs) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    whole_save(folder, tensors, log)

RunFolder.save = save
recipe, task = load_draft(sys.argv[1], sys.argv[2]).read()
train(recipe, Path(sys.argv[3]), task=task, quiet=True)
"""


@pytest.mark.slow
def test_a_killed_run_on_data_that_moved_resumes_to_the_same_net(
    images: Path, tmp_path: Path
) -> None:
    toml, out = tmp_path / "images.toml", tmp_path / "run"
    command = [sys.executable, "-c", TRAIN, str(toml), str(images), str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    recipe, task = load_draft(toml, images).read()
    whole = train(recipe, tmp_path / "whole", task=task, quiet=True)
    moved = images.rename(tmp_path / "moved")
    recipe, task = load_draft(toml, moved).read()
    resumed = train(recipe, out, task=task, resume=True, quiet=True)
    expected, found = load_model(whole.model)[0], load_model(resumed.model)[0]
    assert all(
        (value == found.state_dict()[name]).all() for name, value in expected.state_dict().items()
    )
    measured = [
        [{name: line[name] for name in line if name != "seconds"} for line in lines_of(run.log)[1:]]
        for run in (whole, resumed)
    ]
    assert measured[0] == measured[1]


def test_a_run_is_not_resumed_with_other_data(images: Path, tmp_path: Path) -> None:
    recipe, task = load_draft(tmp_path / "images.toml", images).override(epochs=1).read()
    train(recipe, tmp_path / "run", task=task, quiet=True)
    labels = np.load(images / "labels.npy")
    labels[0] = (labels[0] + 1) % 3
    np.save(images / "labels.npy", labels)
    recipe, task = load_draft(tmp_path / "images.toml", images).override(epochs=1).read()
    with pytest.raises(InputError, match=r"trained on other data \(its SHA-256 was '"):
        train(recipe, tmp_path / "run", task=task, resume=True, quiet=True)
    shares = replace(recipe, data=DataOptions(str(images), test=0.3))
    with pytest.raises(InputError, match=r"another recipe \(different: data\)"):
        train(shares, tmp_path / "run", task=task, resume=True, quiet=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/digits", "digits_spike"),
        ("a b/ö watch.csv", "watch_spike"),
        ("..", "net_spike"),
        ("", "net_spike"),
        ("x" * 300, "x" * 100 + "_spike"),
    ],
)
def test_a_graph_is_named_after_its_data(path: str, name: str) -> None:
    net = NetSpec((1, 8, 8), 3, (ConvSpec(4),))
    assert graph_name({"path": path}, net) == name
    assert not list(check_name("name", name, NAME_LIMIT))
