"""Answers take at most 25 lines of 80 columns unless more is asked for, and nothing is wider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgespike.cli.app import app
from edgespike.cli.output import MOST_LINES
from edgespike.graph import Graph, save_graph
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.text import cells_of
from tests.cli.conftest import Cli
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for
from tests.made_long import deep_graph, wide_graph
from tests.random_graphs import examine
from tests.strategies import MIXES, Case

WIDTH = 80
COMMANDS: dict[str, list[str]] = {
    "energy": ["energy", "G", "-i", "X"],
    "energy with labels": ["energy", "G", "-i", "X", "--labels", "Y"],
    "energy with an audit": ["energy", "G", "-i", "X", "--labels", "Y", "--audit", "1"],
    "energy of a profile": ["energy", "G", "-i", "X", "--profile", "loihi2"],
    "verify": ["verify", "G", "-i", "X"],
    "verify on several": ["verify", "G", "-i", "X", "-t", "cpu,exact", "-t", "double"],
    "different": ["verify", "G", "-i", "X", "-t", "faulty,exact"],
    "show": ["show", "G"],
    "targets": ["targets"],
}
DETAILS: dict[str, list[str]] = {
    "energy": ["--layers", "--steps", "--models", "--sources"],
    "verify": ["--layers"],
    "show": ["--layers"],
    "targets": ["--all"],
}
GRAPHS: dict[str, Callable[[], Graph]] = {
    "deep": deep_graph,
    "long names": lambda: deep_graph(30, "encoder.blocks.attention.projection" * 4),
    "wide": wide_graph,
    "residual": residual_graph,
    "membranes": membrane_graph,
    "recurrent": recurrent_graph,
}


def named_graph() -> Graph:
    """Return a graph of long names, whose classes have letters that are two columns wide."""
    names = tuple(f"{'类别名称' * 8}{number}" for number in range(3))
    return replace(deep_graph(3, "encoder.blocks.attention.projection" * 4), class_names=names)


@pytest.mark.parametrize("command", ["run", "run --labels Y", "compare", "show", "energy"])
def test_long_and_wide_names_fit(
    command: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a path's line is as long as the path
    graph = named_graph()
    save_graph(graph, tmp_path / "g.safetensors")
    np.save(tmp_path / "x.npy", samples_for(graph, 12))
    np.save(tmp_path / "y.npy", np.arange(12) % graph.readout_op.classes)
    file = "g.safetensors"
    arguments = [word.replace("Y", str(tmp_path / "y.npy")) for word in command.split()]
    arguments += {"compare": [file, file], "show": [file]}.get(command, [file])
    if command != "show":
        arguments += ["-i", str(tmp_path / "x.npy")]
    lines = cli(*arguments).stdout.splitlines()
    assert [line for line in lines if cells_of(line.rstrip()) > WIDTH] == []
    assert len(lines) <= MOST_LINES, lines


def assert_fits(printed: str, most: int = MOST_LINES) -> None:
    lines = printed.splitlines()
    assert lines
    assert [line for line in lines if len(line.rstrip()) > WIDTH] == []
    assert len(lines) <= most, printed


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Graph, np.ndarray], dict[str, str]]:
    """Write a graph, samples and labels; return their paths by the letters in ``COMMANDS``."""

    def written(graph: Graph, samples: np.ndarray) -> dict[str, str]:
        paths = {letter: str(tmp_path / name) for letter, name in zip("GXY", FILES, strict=True)}
        save_graph(graph, Path(paths["G"]))
        np.save(paths["X"], samples)
        np.save(paths["Y"], np.arange(len(samples)) % graph.readout_op.classes)
        return paths

    return written


FILES = ("graph.safetensors", "x.npy", "y.npy")


@pytest.mark.parametrize("name", [name for name in COMMANDS if "audit" not in name])
@pytest.mark.parametrize("model", MODELS)
def test_answers_on_a_shipped_model(
    cli: Cli, write: Callable[..., dict[str, str]], name: str, model: str
) -> None:
    paths = write(shipped_model(model), shipped_images(model)[0][:2])
    result = cli(*(paths.get(word, word) for word in COMMANDS[name]))
    assert result.code == (name == "different")
    assert_fits(result.stdout)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", GRAPHS)
def test_answers_on_graphs_that_are_long_in_a_way(
    cli: Cli, write: Callable[..., dict[str, str]], name: str, kind: str
) -> None:
    graph = GRAPHS[kind]()
    if name == "different" and graph.readout_op.classes < 3:
        pytest.skip("the target changes the third class")
    paths = write(graph, samples_for(graph, 2))
    result = cli(*(paths.get(word, word) for word in COMMANDS[name]))
    assert result.code == (name == "different")
    assert_fits(result.stdout)


@pytest.mark.parametrize("name", DETAILS)
@pytest.mark.parametrize("kind", ["deep", "residual", "membranes", "recurrent"])
def test_details_fit_in_width_and_come_after_the_answer(
    cli: Cli, write: Callable[..., dict[str, str]], name: str, kind: str
) -> None:
    graph = GRAPHS[kind]()
    paths = write(graph, samples_for(graph, 2))
    arguments = [paths.get(word, word) for word in COMMANDS[name]]
    short, detailed = cli(*arguments).stdout, cli(*arguments, *DETAILS[name]).stdout
    assert_fits(detailed, 10_000)
    assert len(detailed) > len(short)
    assert detailed.split()[0] == short.split()[0]


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_answers_on_random_graphs(cli: Cli, write: Callable[..., dict[str, str]], mix: str) -> None:
    def look(case: Case) -> None:
        paths = write(case.graph, case.samples)
        assert_fits(str(case.graph))
        for name in ("energy", "verify", "show"):
            assert_fits(cli(*(paths.get(word, word) for word in COMMANDS[name])).stdout)

    examine(mix, 3, look)


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        pytest.param("energy", {"COLUMNS": "80"}, id="energy"),
        pytest.param("energy", {}, id="energy in a pipe", marks=pytest.mark.slow),
        pytest.param("verify", {}, id="verify in a pipe", marks=pytest.mark.slow),
        pytest.param("show", {}, id="show in a pipe"),
        pytest.param("targets", {}, id="targets in a pipe", marks=pytest.mark.slow),
    ],
)
def test_answers_in_a_process_of_its_own(
    write: Callable[..., dict[str, str]], name: str, environment: dict[str, str]
) -> None:
    paths = write(shipped_model("fashion_rnn"), shipped_images("fashion_rnn")[0][:2])
    done = subprocess.run(
        [sys.executable, "-m", "edgespike", *(paths.get(word, word) for word in COMMANDS[name])],
        env={key: value for key, value in os.environ.items() if key != "COLUMNS"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert_fits(done.stdout)


@pytest.mark.parametrize("name", ["energy", "verify", "show", "targets"])
def test_answers_through_the_runner_of_typer(
    write: Callable[..., dict[str, str]], name: str
) -> None:
    paths = write(residual_graph(), samples_for(residual_graph(), 2))
    result = CliRunner().invoke(app, [paths.get(word, word) for word in COMMANDS[name]])
    assert result.exit_code == 0
    assert_fits(result.stdout)


@pytest.mark.parametrize("targets", ["cpu", "cpu,exact,double", "faulty,exact"])
def test_the_demo_fits(cli: Cli, monkeypatch: pytest.MonkeyPatch, targets: str) -> None:
    images, labels = shipped_images("fashion_rnn")
    monkeypatch.setattr("edgespike.models.shipped_images", lambda name: (images[:4], labels[:4]))
    result = cli("demo", "--model", "fashion_rnn", "-t", targets)
    assert_fits(result.stdout)


@pytest.mark.parametrize("name", ["energy", "show", "verify"])
def test_wide_breaks_no_line(
    cli: Cli, write: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same words in fewer lines, and each layer in one line with all that is known of it."""
    monkeypatch.setenv("COLUMNS", "40")
    graph = deep_graph(5, "a.long.name.of.a.layer.that.is.longer.than.a.narrow.terminal")
    paths = write(graph, samples_for(graph, 2))
    arguments = [*(paths.get(word, word) for word in COMMANDS[name]), *DETAILS[name]]
    narrow, wide = cli(*arguments).stdout, cli(*arguments, "--wide").stdout
    assert len(wide.splitlines()) < len(narrow.splitlines())
    for node in graph.nodes:
        if node.op.kind == "threshold":
            assert any(line.split()[:1] == [node.name] for line in wide.splitlines())
