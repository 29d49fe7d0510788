"""Every experiment runs its rehearsal without warnings, and wrong use gets a clear error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.experiments.running import ROOT, run_experiment

EXPERIMENTS = sorted(path.parent.name for path in (ROOT / "experiments").glob("*/run.py"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_how_it_is_run_and_shows_its_results(name: str) -> None:
    folder = ROOT / "experiments" / name
    text = (folder / "README.md").read_text()
    assert f"python -m experiments.{name}.run" in text
    linked = re.findall(r"\]\((results/[^)]+)\)", text)
    assert linked
    assert all((folder / path).is_file() for path in linked)


@pytest.mark.torch
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_runs(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    result = run_experiment(name, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("maqd", ["--jobs", "0"], "--jobs is 0; it must be at least 1"),
        ("maqd", ["--out", "file"], "Not a directory: 'file"),
        ("entropy", ["--out", "file"], "File exists: 'file'"),
        ("posterior", ["--out", "file"], "File exists: 'file'"),
    ],
)
def test_wrong_use_of_an_experiment_gets_a_clear_error(
    name: str, arguments: list[str], message: str, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "file").touch()
    result = run_experiment(name, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
