"""``edgespike compare``: what it prints, in how many lines, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgespike.graph import load_graph, save_graph
from edgespike.graph.graph import Graph
from edgespike.models import MODELS, write_files
from tests.cli.conftest import Cli

SPIKES, LEVELS = "fashion_s3nn", "fashion_maqd"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped models, one folder each, with ten images and their labels."""
    folder = tmp_path_factory.mktemp("shipped")
    for name in MODELS:
        write_files(folder / name, name)
        for kind in ("images", "labels"):
            path = folder / name / f"{kind}.npy"
            np.save(path, np.load(path)[:10])
    return folder


def model(folder: Path, name: str) -> Path:
    return folder / name / "model.safetensors"


def samples(folder: Path) -> tuple[str, Path, str, Path]:
    return ("-i", folder / SPIKES / "images.npy", "--labels", folder / SPIKES / "labels.npy")


@pytest.mark.parametrize("number", [2, 3, 5, 12])
def test_the_answer_fits_25_lines_of_80_columns(
    cli: Cli, shipped: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(shipped)
    models = [model(Path(), name) for name in (SPIKES, LEVELS, SPIKES) * 5][:number]
    result = cli("compare", *models, *samples(Path()))
    assert result.code == 0
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 25


def test_json_and_table_agree(cli: Cli, shipped: Path) -> None:
    both = [model(shipped, name) for name in (SPIKES, LEVELS)]
    answer = cli("compare", *both, *samples(shipped), "--json").json
    table = cli("compare", *both, *samples(shipped)).stdout
    values = answer["rows"]["operations_per_sample"]["values"]
    (line,) = (line for line in table.splitlines() if "both together" in line)
    assert line.split()[2:4] == [f"{value:,.1f}" for value in values]
    assert answer["rows"]["operations_per_sample"]["best"] == values.index(min(values))
    assert answer["energy"]["model"] == "int8-with-memory"
    assert answer["energy"]["ranges_overlap"] is True
    row = answer["rows"]["energy_per_sample_j"]
    least = answer["energy"]["above_best_j"][1 - row["best"]][0]
    assert row["proven"] is True
    assert 0 < least < abs(row["values"][0] - row["values"][1])
    (accuracy,) = (line for line in table.splitlines() if line.startswith(" accuracy"))
    assert accuracy.split()[-2:] in (["A", "?"], ["B", "?"], ["pts", "equal"])
    assert answer["exactness"].startswith("not compared")
    assert [each["from_report"] for each in answer["models"]] == [False, False]


def test_every_layer_is_printed_on_request(cli: Cli, shipped: Path) -> None:
    both = [model(shipped, name) for name in (SPIKES, LEVELS)]
    short = cli("compare", *both, *samples(shipped)).stdout
    every = cli("compare", *both, *samples(shipped), "--layers").stdout
    layers = ["conv1", "conv2", "conv3", "dense1", "dense2"]
    assert [name for name in layers if f"  in {name} " in every] == layers
    assert sum(f"  in {name} " in short for name in layers) == 3
    assert "2 more layers: --layers" in " ".join(short.split())


def test_a_saved_report_stands_beside_a_graph(cli: Cli, shipped: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    levels = model(shipped, LEVELS)
    report = cli("energy", levels, "-i", samples(shipped)[1], "--json")
    path.write_text(report.stdout)
    result = cli("compare", path, levels, *samples(shipped))
    assert result.code == 0
    assert f"A  {path} (report)" in result.stdout
    assert "Accuracy of A is not known" in " ".join(result.stdout.split())
    rows = cli("compare", path, levels, *samples(shipped), "--json").json["rows"]
    assert rows.pop("accuracy")["values"][0] is None
    for row in rows.values():
        assert row["values"][0] == row["values"][1]
        assert row["best"] is None


def test_a_report_of_other_samples_is_refused(cli: Cli, shipped: Path, tmp_path: Path) -> None:
    levels, paths = model(shipped, LEVELS), []
    for name, images in (
        ("a", np.load(samples(shipped)[1])),
        ("b", np.zeros((10, 1, 28, 28), int)),
    ):
        np.save(tmp_path / f"{name}.npy", images)
        made = cli("energy", levels, "-i", tmp_path / f"{name}.npy", "--json")
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(made.stdout)
    result = cli("compare", *paths)
    assert result.code == 2
    assert "b.json is of other samples than" in result.stderr


def test_models_of_other_inputs_are_refused(cli: Cli, shipped: Path) -> None:
    result = cli(
        "compare", model(shipped, SPIKES), model(shipped, "fashion_rnn"), *samples(shipped)
    )
    assert (result.code, result.stdout) == (2, "")
    assert "fashion_rnn" in result.stderr
    assert "takes inputs of shape (28,)" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--labels", "y.npy"]])
def test_graphs_without_samples_are_wrong_usage(
    cli: Cli, shipped: Path, arguments: list[str]
) -> None:
    result = cli("compare", model(shipped, SPIKES), model(shipped, LEVELS), *arguments)
    assert result.code == 2
    assert "no samples are given" in result.stderr


def test_one_model_is_wrong_usage(cli: Cli, shipped: Path) -> None:
    result = cli("compare", model(shipped, SPIKES), *samples(shipped))
    assert result.code == 2
    assert "give at least 2" in result.stderr


def test_reports_of_other_energy_models_are_refused(
    cli: Cli, shipped: Path, tmp_path: Path
) -> None:
    paths = []
    for profile in ("45nm", "loihi"):
        made = cli(
            "energy", model(shipped, LEVELS), *samples(shipped)[:2], "--profile", profile, "--json"
        )
        paths.append(tmp_path / f"{profile}.json")
        paths[-1].write_text(made.stdout)
    result = cli("compare", *paths)
    assert result.code == 2
    assert "no model and profile is common to all" in result.stderr
    assert "loihi (loihi)" in result.stderr


def test_a_layer_of_another_name_is_matched_by_its_place(
    cli: Cli, shipped: Path, tmp_path: Path
) -> None:
    graph = load_graph(model(shipped, LEVELS))
    renamed = tmp_path / "renamed.safetensors"
    save_graph(_renamed(graph, "conv2", "middle"), renamed)
    result = cli("compare", model(shipped, LEVELS), renamed, *samples(shipped), "--layers")
    assert "  in conv2 / middle " in result.stdout
    assert "without a counterpart" not in result.stdout


def _renamed(graph: Graph, old: str, new: str) -> Graph:
    from dataclasses import replace

    nodes = tuple(
        replace(
            node,
            name=new if node.name == old else node.name,
            inputs=tuple(new if name == old else name for name in node.inputs),
        )
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)
