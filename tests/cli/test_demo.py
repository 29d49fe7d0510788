"""The demo, on a small model in place of the shipped one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgespike
from edgespike.interpreter import interpret
from edgespike.trace import predictions
from tests.cli.conftest import Cli
from tests.example_graphs import residual_graph, samples_for

GRAPH = residual_graph()
IMAGES = samples_for(GRAPH, 8)[:, 0].astype(np.uint8)
TRACE = interpret(GRAPH, IMAGES)
LABELS = predictions(GRAPH, TRACE.accumulators(GRAPH))
LABELS[:2] = (LABELS[:2] + 1) % 3


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.models.shipped_model", lambda name: residual_graph())
    monkeypatch.setattr("edgespike.models.shipped_images", lambda name: (IMAGES, LABELS))


def test_the_answer_holds_accuracy_verification_and_energy(cli: Cli) -> None:
    result = cli("demo", "--targets", "cpu,exact", "--samples", 5, "--json")
    assert result.code == 0
    assert result.json == {
        "accuracy": 0.75,
        "verify": edgespike.verify(GRAPH, IMAGES[:5], ["cpu", "exact"]).to_json(),
        "energy": edgespike.estimate_energy(GRAPH, IMAGES, labels=LABELS).to_json(),
    }


def test_people_read_the_same(cli: Cli) -> None:
    result = cli("demo", "--targets", "cpu")
    assert result.code == 0
    assert result.stdout.startswith("equal: cpu; every layer and step of 8 samples\n")
    assert "accuracy 75.00% of 8 samples" in " ".join(result.stdout.split())


def test_a_target_that_differs_ends_with_1(cli: Cli) -> None:
    result = cli("demo", "--targets", "exact,faulty", "--json")
    assert result.code == 1
    assert result.json["verify"]["targets"]["faulty"]["equal"] is False


def test_a_missing_runtime_is_set_up(cli: Cli) -> None:
    result = cli("demo", "--targets", "later", "--json")
    assert result.code == 0
    assert result.json["verify"]["targets"]["later"]["runtime"] == "simulator 2"


def test_a_runtime_that_cannot_be_set_up_is_named_with_the_way_out(cli: Cli) -> None:
    result = cli("demo", "--targets", "cpu,absent", "--json")
    assert (result.code, result.stdout) == (2, "")
    assert "error: the simulator cannot be downloaded: no network" in result.stderr
    assert "edgespike demo -t" in result.stderr
    assert "Traceback" not in result.stderr


def test_files_are_what_other_commands_take(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    assert cli("demo", "--files", folder).code == 0
    model, images, labels = (
        folder / name for name in ("model.safetensors", "images.npy", "labels.npy")
    )
    assert {path.name for path in folder.iterdir()} == {model.name, images.name, labels.name}
    result = cli("run", model, "--input", images, "--labels", labels, "--json")
    assert result.json["graph"] == GRAPH.hash
    assert result.json["accuracy"] == 0.75


def test_files_go_into_a_new_folder_only(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = cli("demo", "--files", tmp_path)
    assert result.code == 2
    assert "exists and is not an empty folder" in result.stderr
