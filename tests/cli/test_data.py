"""``edgespike data``: what is found, what is suspicious, and what is written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.data.own import DataOptions, read_data
from edgespike.graph import Dense, Graph, Input, Node, Readout, save_graph
from edgespike.interpreter import interpret
from edgespike.samples import read_inputs
from edgespike.trace import Trace
from tests.cli.conftest import Cli
from tests.data.own.files import labels, pixels, write_csv, write_recordings


def archive(path: Path, **arrays: Any) -> Path:
    arrays = {"images": pixels(60, 5, 4), "labels": labels(60), **arrays}
    np.savez(path, **arrays)
    return path


def test_what_was_found_is_printed(cli: Cli, tmp_path: Path) -> None:
    found = cli("data", archive(tmp_path / "x.npz", class_names=["cat", "dog", "fox"]))
    assert found.code == 0
    assert [line.rstrip() for line in found.stdout.splitlines() if line.strip()] == [
        "npz, 1 file: 60 images, 3 classes",
        "sample  (1, 5, 4) uint8, values 0..255",
        "scaling none: whole numbers of 8 bits, taken as they are",
        " class  train  validation  test",
        " ──────────────────────────────",
        " cat       14           2     4",
        " dog       14           2     4",
        " fox       14           2     4",
        " all       42           6    12",
    ]
    assert found.stderr == ""


def test_options_reach_the_reader(cli: Cli, tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "x.csv", [12] * 20, people=5)
    text = path.read_text().replace("recording,person,label", "session,who,activity")
    path.write_text(text)
    options = DataOptions(
        str(path), 0.4, 0.3, "who", "activity", "session", window=6, stride=2, seed=3
    )
    found = cli(
        *("data", path, "--test", 0.4, "--validation", 0.3, "--group", "who", "--seed", 3),
        *("--label", "activity", "--recording", "session", "--window", 6, "--stride", 2, "--json"),
    )
    data = read_data(options)
    assert found.json["source"] == data.source
    assert found.json["shape"] == [6, 2]
    assert data.scaling is not None
    assert found.json["scaling"] == {
        "offset": list(data.scaling.offset),
        "step": list(data.scaling.step),
    }
    assert found.json["classes"]["test"] == np.bincount(data.test.labels).tolist()


def test_sizes_are_height_and_width(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    from tests.data.own.files import write_images

    write_images(tmp_path / "x", ["a", "b"], 5, 4, 4, 3)
    found = cli("data", tmp_path / "x", "--size", "6,5", "--grey", "--json")
    assert found.json["shape"] == [1, 6, 5]
    assert cli("data", tmp_path / "x", "--size", "6x5", "--json").json["shape"] == [3, 6, 5]
    assert cli("data", tmp_path / "x", "--size", "6", "--json").json["shape"] == [3, 6, 6]
    wrong = cli("data", tmp_path / "x", "--size", "6 by 5")
    assert wrong.code == 2
    assert wrong.stderr == "error: --size is '6 by 5'; give height and width, such as 28x28\n"


def test_all_wrong_options_are_listed(cli: Cli, tmp_path: Path) -> None:
    found = cli("data", tmp_path, "--test", 2, "--window", -1, "--size", "1,2,3")
    assert found.code == 2
    assert found.stderr.count("\n  - ") == 3


def test_parts_are_written_as_whole_numbers(cli: Cli, tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "x.csv", [8] * 12, 3)
    found = cli("data", path, "--window", 4, "-o", tmp_path / "out")
    assert found.code == 0
    assert "wrote" in found.stderr
    data = read_data(DataOptions(str(path), window=4))
    for name in ("train", "validation", "test"):
        part = getattr(data, name)
        np.testing.assert_array_equal(np.load(tmp_path / "out" / f"{name}.npy"), part.samples)
        written = np.load(tmp_path / "out" / f"{name}_labels.npy")
        np.testing.assert_array_equal(written, part.labels)
    assert (tmp_path / "out" / "classes.txt").read_text() == "k0\nk1\nk2\n"
    about = json.loads((tmp_path / "out" / "data.json").read_text())
    assert about["source"] == data.source
    assert about["options"]["window"] == 4
    assert len(about["scaling"]["step"]) == 2
    check = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "out", check=False
    )
    assert check.returncode == 0


def test_an_empty_validation_part_is_not_written(cli: Cli, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.npz")
    assert cli("data", path, "--validation", 0, "-o", tmp_path / "out").code == 0
    assert not (tmp_path / "out" / "validation.npy").exists()


def test_a_folder_that_is_in_use_is_refused_before_reading(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    found = cli("data", tmp_path / "missing", "-o", tmp_path / "out")
    assert found.code == 2
    assert "exists and is not an empty folder" in found.stderr


def test_nothing_is_written_of_bad_data(cli: Cli, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.npz", labels=labels(60) - 1)
    found = cli("data", path, "-o", tmp_path / "out")
    assert found.code == 2
    assert "20 are outside 0..9999" in found.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["x.npz"]


def problems(cli: Cli, path: Path) -> list[str]:
    found: list[str] = cli("data", path, "--json").json["problems"]
    return found


def test_copies_of_training_samples_are_counted(cli: Cli, tmp_path: Path) -> None:
    train, test = pixels(60, 5, 4), pixels(9, 5, 4, seed=1)
    test[:4] = train[:4]
    path = tmp_path / "x.npz"
    np.savez(path, x_train=train, y_train=labels(60), x_test=test, y_test=labels(9))
    data = read_data(DataOptions(str(path)))
    in_train = {sample.tobytes() for sample in data.train.samples}
    copies = sum(sample.tobytes() in in_train for sample in train[:4])
    assert problems(cli, path) == [
        f"{copies} of 9 test samples are in train too, number for number; the accuracy will be "
        "too good"
    ]
    assert problems(cli, archive(tmp_path / "y.npz")) == []


def test_copies_with_other_labels_are_counted(cli: Cli, tmp_path: Path) -> None:
    images = pixels(30, 5, 4)
    arrays: dict[str, Any] = {
        "x_train": np.repeat(images, 2, axis=0),
        "x_test": pixels(4, 5, 4, seed=1),
    }
    path = tmp_path / "x.npz"
    np.savez(path, **arrays, y_train=labels(60, 2), y_test=labels(4, 2))
    (found,) = [each for each in problems_without_validation(cli, path) if "copy" in each]
    assert found == "30 training samples have a copy of another class"


def problems_without_validation(cli: Cli, path: Path) -> list[str]:
    found: list[str] = cli("data", path, "--validation", 0, "--json").json["problems"]
    return found


def test_small_and_missing_classes_are_named(cli: Cli, tmp_path: Path) -> None:
    numbers = np.r_[np.zeros(50), np.ones(8), np.full(2, 2)].astype(int)
    path = archive(tmp_path / "x.npz", labels=numbers)
    assert problems(cli, path) == [
        "classes are unbalanced: 36 training samples of 0, 1 of 2; accuracy may hide the small "
        "ones",
        "fewer than 10 training samples: 1, 2",
        "validation has no samples of 2",
    ]


def test_features_that_never_change_are_named(cli: Cli, tmp_path: Path) -> None:
    rows = [[x % 2, x * 1.5, 7, -x] for x in range(60)]
    path = write_csv(tmp_path / "x.csv", ["label", "a", "b", "c"], rows)
    assert problems(cli, path) == ["1 of 3 features or channels never change in train: number 1"]


def test_a_test_part_measured_otherwise_is_named(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, factor in (("train", 1), ("test", 1000)):
        rows = [[x % 2, factor * rng.normal(), factor * rng.normal()] for x in range(100)]
        write_csv(tmp_path / f"{name}.csv", ["label", "a", "b"], rows)
    (found,) = problems(cli, tmp_path)
    assert "of the test values are at an end of the range learnt from train" in found


def test_the_answer_fits_25_lines_of_80_columns(cli: Cli, tmp_path: Path) -> None:
    """Many classes with long names, many features, everything suspicious."""
    rng = np.random.default_rng(0)
    names = [f"{place} {'very long name of a class ' * 4}"[:100] for place in range(60)]
    rows = [
        [f"r{r}", names[r % 60], 7, *rng.normal(size=8).round(9)]
        for r in range(180)
        for _ in range(9)
    ]
    rows += [["short", names[0], 7, *[1e-9] * 8]] * 3
    rows += [[f"same{r}", names[0], 7, *[0.25] * 8] for r in range(40) for _ in range(9)]
    header = ["recording", "label", *(f"feature {place}" for place in range(9))]
    path = write_csv(tmp_path / "x.csv", header, rows)
    found = cli("data", path, "--window", 9)
    assert found.code == 0
    lines = found.stdout.splitlines()
    assert "more remarks are in --json" in lines[-1]
    assert len(cli("data", path, "--window", 9, "--json").json["problems"]) == 6
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80


def test_run_takes_what_training_took(cli: Cli, tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "x.csv", [8] * 12, 2, people=3)
    options = DataOptions(str(path), window=4, group="person")
    data = read_data(options)
    graph = Graph(
        "small",
        (
            Node("x", Input((2,), -127, 127, 1.0)),
            Node("sums", Dense(np.eye(2, dtype=np.int64), np.zeros(2, np.int64)), ("x",)),
            Node("out", Readout(np.ones(2)), ("sums",)),
        ),
        steps=4,
        class_names=data.class_names,
        scaling=data.scaling,
    )
    save_graph(graph, tmp_path / "graph.safetensors")
    found = cli("run", tmp_path / "graph.safetensors", "-i", path, "--limit", 24, "--json")
    inputs = read_inputs(graph, path)
    assert found.json["predictions"] == predictions(graph, interpret(graph, inputs.samples))
    assert len(set(found.json["predictions"])) == 2


def predictions(graph: Graph, trace: Trace) -> list[int]:
    answers: list[int] = trace.values["out"][:, -1].argmax(axis=1).tolist()
    return answers
