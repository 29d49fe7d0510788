"""Outputs: never written over an input, and checked before the work begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused

WRITING: dict[str, tuple[Sequence[str], str]] = {
    "run": (["g", "-i", "x", "--labels", "y", "-o"], "gxy"),
    "verify": (["g", "-i", "x", "-o"], "gx"),
    "energy": (["g", "-i", "x", "--profile", "p", "--html"], "gxp"),
    "show": (["g", "--svg"], "g"),
    "convert": (["g", "--check", "x", "--calibrate", "y", "-o"], "gxy"),
    "ensemble": (["g", "h", "-i", "x", "--labels", "y", "-o"], "ghxy"),
}
"""For each command, its arguments up to the output, and the letters of the files it reads."""


@pytest.fixture
def files(graph_file: Path, input_file: Path, tmp_path: Path) -> dict[str, Path]:
    """What commands read, by the letters in ``WRITING``."""
    found = {"g": graph_file, "h": tmp_path / "h.safetensors", "x": input_file}
    found |= {"y": tmp_path / "y.npy", "p": tmp_path / "p.toml"}
    found["h"].write_bytes(graph_file.read_bytes())
    np.save(found["y"], np.zeros(4, int))
    found["p"].write_text('format = 1\nname = "p"\ntitle = "P"\nnote = "None."\nmodels = []\n')
    return found


@pytest.mark.parametrize("way", ["itself", "a symbolic link", "a hard link", "another spelling"])
@pytest.mark.parametrize(
    ("command", "letter"),
    [(command, letter) for command, (_, letters) in WRITING.items() for letter in letters],
)
def test_an_input_is_not_overwritten(
    cli: Cli, files: dict[str, Path], tmp_path: Path, command: str, letter: str, way: str
) -> None:
    out = source = files[letter]
    if way == "a symbolic link":
        out = tmp_path / "link"
        out.symlink_to(source)
    elif way == "a hard link":
        out = tmp_path / "link"
        os.link(source, out)
    elif way == "another spelling":
        out = tmp_path / "." / ".." / tmp_path.name / source.name
    before = {path: path.read_bytes() for path in files.values()}
    arguments = [files.get(argument, argument) for argument in WRITING[command][0]]
    refused(cli(command, *arguments, out), "cannot write", f"it is the input {source}")
    assert {path: path.read_bytes() for path in files.values()} == before


@pytest.mark.parametrize("command", WRITING)
def test_a_folder_is_not_a_file(
    cli: Cli, files: dict[str, Path], tmp_path: Path, command: str
) -> None:
    arguments = [files.get(argument, argument) for argument in WRITING[command][0]]
    refused(cli(command, *arguments, tmp_path), tmp_path, "it is a folder; name a file in it")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "-i", "x", "-t", "waiting", "-o"],
        ["verify", "-i", "x", "--targets", "waiting", "-o"],
        ["energy", "-i", "x", "-t", "waiting", "--html"],
        ["export", "-t", "waiting", "-o"],
        ["show", "--svg"],
        ["convert", "-o"],
        ["ensemble", "-o"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_output_that_cannot_be_written_is_reported_before_anything_is_done(
    cli: Cli, graph_file: Path, input_file: Path, arguments: list[str]
) -> None:
    """The target would wait for ever, and the file holds no model."""
    graph_file.write_bytes(b"no model")
    command, *options = (input_file if argument == "x" else argument for argument in arguments)
    refused(cli(command, graph_file, *options, "/proc/edgespike/out"), "cannot write", "/proc/")


def test_devices_and_links_in_a_loop_are_refused(
    cli: Cli, graph_file: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    refused(cli("show", graph_file, "--svg", link), "its symbolic links form a loop")
    refused(cli("show", graph_file, "--svg", "/dev/stdout"), "not a regular file")
    assert link.is_symlink()


@pytest.mark.parametrize("place", [".", "..", "new/.."])
def test_a_folder_without_a_name_of_its_own_is_refused(
    cli: Cli, graph_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    refused(cli("export", "-t", "cpu", graph_file, "-o", place), f"{place} has no name of its own")


def test_the_page_of_the_demo_is_checked_before_anything_is_done(cli: Cli) -> None:
    page = "/proc/edgespike/page.html"
    refused(cli("demo", "--targets", "waiting", "--html", page), "cannot write", page)


def test_the_demo_writes_files_or_a_page(cli: Cli, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    result = cli("demo", "--files", tmp_path / "new", "--html", tmp_path / "page.html")
    refused(result, "--files and --html cannot be combined; leave one out")
    assert set(tmp_path.iterdir()) == before


def test_a_bad_profile_is_reported_before_anything_runs(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    """The target would wait for ever."""
    profile = tmp_path / "p.toml"
    profile.write_text("format = 1\n")
    arguments = ("-i", input_file, "-t", "waiting", "--profile", profile)
    refused(cli("energy", graph_file, *arguments), profile, "entry name is missing")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "g", "-i", "pipe"],
        ["run", "g", "-i", "x", "--labels", "pipe"],
        ["run", "pipe", "-i", "x"],
        ["energy", "g", "-i", "x", "--profile", "pipe"],
        ["entropy", "pipe"],
        pytest.param(["train", "pipe", "-o", "out"], marks=pytest.mark.torch),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_pipe_is_not_waited_for(
    cli: Cli, files: dict[str, Path], tmp_path: Path, arguments: list[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    places = {**files, "pipe": pipe, "out": tmp_path / "out"}
    result = cli(*(places.get(argument, argument) for argument in arguments))
    refused(result, f"cannot read {pipe}: not a regular file")
    assert not (tmp_path / "out").exists()
