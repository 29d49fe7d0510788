"""Every example runs, without a warning, as a user would run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.torch
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    result = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("maqd_experiment", ["--jobs", "0"], "--jobs is 0; at least 1"),
        ("maqd_experiment", ["--out", "file"], "Not a directory: 'file"),
        ("entropy_experiment", ["--out", "file"], "File exists: 'file'"),
        ("posterior_experiment", ["--out", "file"], "File exists: 'file'"),
    ],
)
def test_wrong_use_of_an_experiment_gets_a_clear_error(
    name: str, arguments: list[str], message: str, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "file").touch()
    example = next(path for path in EXAMPLES if path.stem == name)
    result = subprocess.run(
        [sys.executable, str(example), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
