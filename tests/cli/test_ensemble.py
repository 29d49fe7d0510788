"""``edgespike ensemble``, and what ``edgespike run`` tells of its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.graph import load_graph, save_graph
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.selection import measure_members, select_members
from edgespike.trace import log_probabilities, predictions, uncertainty
from tests.cli.conftest import Cli
from tests.ensembles import siblings
from tests.example_graphs import membrane_graph, residual_graph, samples_for

MEMBERS = siblings(residual_graph(), 3)
SAMPLES = samples_for(MEMBERS[0], 8)
LABELS = np.arange(8) % 3


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three graph files of one architecture."""
    paths = [tmp_path / f"{letter}.safetensors" for letter in "abc"]
    for path, graph in zip(paths, MEMBERS, strict=True):
        save_graph(graph, path)
    return paths


@pytest.fixture
def held_out(tmp_path: Path) -> list[object]:
    """Return options that name samples and labels."""
    np.save(tmp_path / "held_out.npy", SAMPLES)
    np.save(tmp_path / "labels.npy", LABELS)
    return ["--input", tmp_path / "held_out.npy", "--labels", tmp_path / "labels.npy"]


def test_all_models_are_merged(cli: Cli, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "all.safetensors"
    result = cli("ensemble", *files, "-o", out, "--name", "three", "--json")
    expected = ensemble(MEMBERS, "three")
    assert result.code == 0
    assert result.json == {"graph": expected.hash, "file": str(out), "members": 3, "scores": []}
    assert load_graph(out) == expected
    assert cli("ensemble", *files, "-o", out, "--force").stdout.endswith(", 3 members\n")


def test_the_best_members_are_merged_and_scored(
    cli: Cli, files: list[Path], held_out: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "best.safetensors"
    arguments = ("ensemble", *files, "-o", out, "--members", 2, *held_out)
    answer = cli(*arguments, "--json").json
    figures = measure_members(MEMBERS, SAMPLES, LABELS)
    best = select_members(figures, 2)
    assert load_graph(out) == ensemble([MEMBERS[place] for place in best.members])
    assert [row["ensemble"] for row in answer["scores"]] == [*map(str, files), "all", "chosen"]
    assert answer["scores"][-1] == {
        "ensemble": "chosen",
        "members": list(best.members),
        "nll": best.nll,
        "accuracy": best.accuracy,
        "operations": best.operations,
    }
    assert answer["scores"][3]["members"] == [0, 1, 2]
    printed = cli(*arguments, "--force").stdout
    assert f"{best.nll:.4f}" in printed
    assert "operations per sample" in " ".join(printed.split())


def test_a_budget_limits_the_operations(
    cli: Cli, files: list[Path], held_out: list[object], tmp_path: Path
) -> None:
    figures = measure_members(MEMBERS, SAMPLES, LABELS)
    budget = np.sort(figures.operations)[:2].sum()
    out = tmp_path / "cheap.safetensors"
    answer = cli("ensemble", *files, "-o", out, "--budget", budget, *held_out, "--json").json
    assert answer["scores"][-1]["operations"] <= budget
    assert answer["scores"][-1]["nll"] == select_members(figures, None, budget).nll


def test_without_a_choice_all_are_scored(
    cli: Cli, files: list[Path], held_out: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "all.safetensors"
    answer = cli("ensemble", *files, "-o", out, *held_out, "--samples", 5, "--json").json
    assert answer["members"] == 3
    expected = measure_members(MEMBERS, SAMPLES[:5], LABELS[:5]).score(range(3))
    assert answer["scores"][-1]["nll"] == expected.nll


@pytest.fixture
def merged_file(tmp_path: Path) -> Path:
    save_graph(ensemble(MEMBERS), tmp_path / "merged.safetensors")
    return tmp_path / "merged.safetensors"


def test_run_tells_probabilities_and_entropies(
    cli: Cli, merged_file: Path, held_out: list[object], tmp_path: Path
) -> None:
    graph, out = ensemble(MEMBERS), tmp_path / "answers.npz"
    accumulators = interpret(graph, SAMPLES).accumulators(graph)
    arguments = ("run", merged_file, *held_out, "-o", out)
    answer = cli(*arguments, "--json").json
    found = uncertainty(graph, accumulators)
    expected: dict[str, Any] = {
        "predictions": predictions(graph, accumulators),
        "probabilities": np.exp(log_probabilities(graph, accumulators)),
        "entropy": found.entropy,
        "expected_entropy": found.expected_entropy,
        "mutual_information": found.mutual_information,
    }
    with np.load(out, allow_pickle=False) as written:
        for name, values in expected.items():
            assert answer[name] == values.tolist()
            assert np.array_equal(written[name], values)
        assert np.array_equal(written["accumulators"], accumulators)
    printed = cli(*arguments, "--force").stdout
    assert f"{found.mutual_information[3]:.4f}" in printed
    assert "expected entropy" in printed


def test_an_input_without_labels_cannot_choose_members(
    cli: Cli, files: list[Path], held_out: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    result = cli("ensemble", *files, "-o", out, *held_out[:2], "--members", 2)
    assert (result.code, out.exists()) == (2, False)
    assert "--input and --labels belong together; give both, or an input that" in result.stderr


def test_labels_of_the_input_itself_choose_members(
    cli: Cli, files: list[Path], held_out: list[object], tmp_path: Path
) -> None:
    np.savez(
        tmp_path / "both.npz", images=np.load(str(held_out[1])), labels=np.load(str(held_out[3]))
    )
    outs = [tmp_path / name for name in ("first.st", "second.st")]
    for out, given in zip(outs, (held_out, ["-i", tmp_path / "both.npz"]), strict=True):
        assert cli("ensemble", *files, "-o", out, *given, "--members", 2).code == 0
    assert load_graph(outs[0]) == load_graph(outs[1])


def test_run_tells_nothing_of_members_where_there_are_none(
    cli: Cli, files: list[Path], held_out: list[object]
) -> None:
    assert "entropy" not in cli("run", files[0], *held_out, "--json").json


def test_an_ensemble_is_verified_counted_and_shown_as_any_graph(
    cli: Cli, merged_file: Path, held_out: list[object]
) -> None:
    x = held_out[:2]
    certificate = cli("verify", merged_file, "--targets", "cpu,tflite", *x, "--json")
    assert (certificate.code, certificate.json["targets"]["tflite"]["equal"]) == (0, True)
    assert cli("energy", merged_file, *x, "--audit", 1, "--json").json["audit"]["equal"] is True
    assert "3 members" in cli("show", merged_file).stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--members", 2], "give --input and --labels"),
        (["--budget", 10], "give --input and --labels"),
        (["--samples", 2], "give --input and --labels"),
        (["--labels", "y.npy"], "--input and --labels belong together"),
        (["--name", "a b"], "name 'a b' may hold"),
    ],
)
def test_incomplete_options_are_refused(
    cli: Cli, files: list[Path], tmp_path: Path, options: list[object], named: str
) -> None:
    out = tmp_path / "never.safetensors"
    result = cli("ensemble", *files, "-o", out, *options)
    assert (result.code, result.stdout) == (2, "")
    assert named in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "labels", "named"),
    [
        (["--members", 4], LABELS, "members is 4; there are 3"),
        (["--budget", 1], LABELS, "the budget is 1 operations per sample"),
        ([], LABELS + 1, "0..2"),
        ([], LABELS - 1, "0..2"),
        ([], LABELS[:7], "give integers of shape (8,)"),
        ([], LABELS / 2, "float64"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    cli: Cli,
    files: list[Path],
    held_out: list[object],
    tmp_path: Path,
    options: list[object],
    labels: Any,
    named: str,
) -> None:
    np.save(tmp_path / "labels.npy", labels)
    out = tmp_path / "never.safetensors"
    result = cli("ensemble", *files, "-o", out, *held_out, *options)
    assert (result.code, result.stdout) == (2, "")
    assert named in result.stderr
    assert not out.exists()


def test_models_that_do_not_fit_are_refused(cli: Cli, files: list[Path], tmp_path: Path) -> None:
    save_graph(membrane_graph(), tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(files[0].read_bytes()[:500])
    out = tmp_path / "never.safetensors"
    other = cli("ensemble", files[0], tmp_path / "other.safetensors", "-o", out)
    assert other.code == 2
    assert "graph 1 (membranes): steps is 4" in other.stderr
    broken = cli("ensemble", files[0], tmp_path / "broken.safetensors", "-o", out)
    assert broken.code == 2
    assert "truncated" in broken.stderr
    assert cli("ensemble", "-o", out).code == 2
    assert not out.exists()
