"""What a run leaves beside its net, and how it shows that it goes on."""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import edgespike
import edgespike.nn.training as package
from edgespike.errors import EnvironmentMissingError
from edgespike.nn import PosteriorSpec, Recipe, RecurrentSpec, Task, load_model, train
from edgespike.nn.training import results
from edgespike.nn.training.progress import EpochProgress
from edgespike.nn.training.results import Results
from tests.nn.small import RECIPE as TRAINED
from tests.nn.small import striped_task

NAMES = ("flat", "upright", "neither")
RECIPE = replace(TRAINED, epochs=1)
PICTURES = ("curves.png", "confusion.png", "firing.png")


def own_task() -> Task:
    task = striped_task()
    return replace(
        task,
        validation_images=task.test_images[:20],
        validation_labels=task.test_labels[:20],
        class_names=NAMES,
        source={"path": "here", "sha256": "0" * 64},
    )


@pytest.mark.slow
def test_results_are_numbers_pictures_and_samples(tmp_path: Path) -> None:
    task, out = own_task(), tmp_path / "run"
    result = train(RECIPE, out, task=task, quiet=True, report=True)
    table = json.loads((out / "results.json").read_text())
    module = load_model(result.model)[0]
    with torch.inference_mode():
        given = module(torch.from_numpy(task.test_images)).argmax(dim=1).numpy()
    expected = np.zeros((3, 3), np.int64)
    for true, guess in zip(task.test_labels, given, strict=True):
        expected[true, guess] += 1
    assert table["confusion"] == expected.tolist()
    assert table["class_names"] == list(NAMES)
    assert table["samples"] == len(task.test_images)
    assert table["accuracy"] == result.history[-1]["test_accuracy"]
    assert (np.load(out / "test.npy") == task.test_images).all()
    assert (np.load(out / "test_labels.npy") == task.test_labels).all()
    assert result.results is not None
    assert result.results.files == ("results.json", "test.npy", "test_labels.npy", *PICTURES)
    for name in PICTURES:
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", content[16:24])) > 100


def test_firing_rates_are_those_of_the_graph(tmp_path: Path) -> None:
    task = own_task()
    result = train(RECIPE, tmp_path / "run", task=task, quiet=True, report=True)
    graph = edgespike.load(result.model)
    trace = edgespike.run(graph, task.test_images)
    # A maximum follows the neurons in the graph, and precedes them in the module.
    found = [float((trace.values[name] != 0).mean()) for name in ("pool1", "spikes2", "spikes3")]
    assert result.results is not None
    assert [rate for _, rate in result.results.firing] == pytest.approx(found)
    assert [name for name, _ in result.results.firing] == ["layer 1", "layer 2", "layer 3"]


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_firing_rates_of_recurrent_nets_are_over_all_steps(cell: str, tmp_path: Path) -> None:
    net = RecurrentSpec((8, 8), 3, hidden=5, cell=cell, activation="levels")  # type: ignore[arg-type]
    task = own_task()
    rows = {f"{part}_images": images.reshape(-1, 8, 8) for part, images, _ in task.parts()}
    task = replace(task, **rows)  # type: ignore[arg-type]
    recipe = Recipe(net, epochs=1, batch_size=16)
    found = train(recipe, tmp_path / "run", task=task, quiet=True, report=True)
    assert found.results is not None
    graph = edgespike.load(found.model)
    trace = edgespike.run(graph, task.test_images)
    rates = dict(found.results.firing)
    if cell == "gru":
        words = ("update", "reset", "remembered", "candidate", "state")
        assert {name.split()[-1] for name in rates} == set(words)
        (node,) = [name for name in trace.values if name.startswith("state")]
        (rate,) = [rate for name, rate in rates.items() if name.endswith("state")]
    else:
        ((_, rate),) = rates.items()
        (node,) = [
            name
            for name in trace.values
            if name != "input" and graph.tensors[name].signal.is_event and "delay" not in name
        ]
    assert rate == pytest.approx(float((trace.values[node] != 0).mean()))


def test_a_known_data_set_leaves_no_samples_and_has_its_names(tmp_path: Path) -> None:
    result = train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True, report=True)
    assert result.results is not None
    assert result.results.class_names == ("0", "1", "2")  # fashion_mnist has ten
    assert not (tmp_path / "run" / "test.npy").exists()


def test_the_samples_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_BYTES", 10 * 64 + 5)
    out = tmp_path / "run"
    train(RECIPE, out, task=own_task(), quiet=True, report=True)
    assert np.load(out / "test.npy").shape == (10, 1, 8, 8)
    assert np.load(out / "test_labels.npy").shape == (10,)


def test_a_mixture_has_a_confusion_matrix_and_no_firing_rate(tmp_path: Path) -> None:
    recipe = replace(RECIPE, weight_decay=0.0, posterior=PosteriorSpec(members=2))
    result = train(recipe, tmp_path / "run", task=own_task(), quiet=True, report=True)
    assert result.results is not None
    assert result.results.confusion.sum() == 96
    assert result.results.firing == ()
    assert "firing.png" not in result.results.files


def test_the_same_run_gives_the_same_results(tmp_path: Path) -> None:
    for name in "ab":
        train(RECIPE, tmp_path / name, task=own_task(), quiet=True, report=True)
    for name in ("results.json", "model.safetensors", *PICTURES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_matplotlib_the_pictures_are_left_out_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "edgespike.nn.training.pictures", raising=False)
    monkeypatch.delattr(package, "pictures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = train(RECIPE, tmp_path / "run", task=own_task(), quiet=True, report=True).results
    assert found is not None
    assert found.files == ("results.json", "test.npy", "test_labels.npy")
    assert found.remark.startswith("no pictures were drawn: pictures of the results needs the pack")


def test_the_worst_confusions_come_first() -> None:
    confusion = np.array([[8, 2, 0], [0, 9, 1], [3, 0, 7]])
    found = Results(NAMES, confusion, (), ())
    assert list(found.worst(2)) == [
        "neither taken for flat: 3 of 10",
        "flat taken for upright: 2 of 10",
    ]
    assert list(Results(NAMES, np.eye(3, dtype=np.int64), (), ()).worst(2)) == []


def test_a_long_epoch_says_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    monkeypatch.setattr("edgespike.nn.training.progress.time.monotonic", lambda: now[0])
    show = EpochProgress(1, 3, 500, quiet=False)
    means = {"loss": 0.5, "accuracy": 0.25, "synaptic_operations": None}
    for step in range(1, 501):
        now[0] += 1
        if show.due() or step % 20 == 0:
            show.update(step, means)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "epoch 2/3  step 60 of 500  loss 0.5000  accuracy 25.00%"
    assert len(lines) == 500 // 60
    quiet = EpochProgress(1, 3, 500, quiet=True)
    now[0] += 100
    assert not quiet.due()


def test_the_line_of_an_epoch_holds_the_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    result = train(replace(RECIPE, epochs=2), tmp_path / "run", task=own_task())
    for line, entry in zip(capsys.readouterr().err.splitlines(), result.history, strict=True):
        assert f"validation accuracy {entry['validation_accuracy']:.2%}  test accuracy" in line


def test_event_files_need_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.nn.training.event_files.find_spec", lambda _: None)
    with pytest.raises(EnvironmentMissingError, match="event files need the package 'tensorboard'"):
        train(RECIPE, tmp_path / "run", task=own_task(), quiet=True, tensorboard=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_event_files_hold_the_measurements_of_the_log(tmp_path: Path) -> None:
    place = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(place).EventAccumulator

    result = train(RECIPE, tmp_path / "run", task=own_task(), quiet=True, tensorboard=True)
    events = accumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("accuracy/validation")]
    expected = [(line["epoch"], line["validation_accuracy"]) for line in result.history]
    assert found == [(step, pytest.approx(value)) for step, value in expected]
