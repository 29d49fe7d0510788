"""The commands of examples/clothes, from a snnTorch net to the report, as they are written."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.available import available
from tests.cli.conftest import Cli

pytest.importorskip("torch")
pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

pytestmark = pytest.mark.torch

FOLDER = Path(__file__).parents[2] / "examples" / "clothes"


def commands() -> dict[str, list[str]]:
    """Return the indented commands of the page, by what they do."""
    lines = [line[4:] for line in (FOLDER / "README.md").read_text().splitlines() if "    " in line]
    found: dict[str, list[str]] = {}
    for line in lines:
        words = shlex.split(line)
        target = words[words.index("--target") + 1] if "--target" in words else ""
        count = sum(name.startswith(f"{words[0]} {words[1]}") for name in found)
        found[f"{words[0]} {target or words[1]}{count or ''}"] = words
    return found


def run(cli: Cli, words: list[str]) -> str:
    """Run a command of the page, and return what it prints."""
    if words[0] == "edgespike":
        result = cli(*words[1:])
        assert result.code == 0, result.stderr
        return result.stdout
    done = subprocess.run(
        [sys.executable, *words[1:]], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def converted(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder like the repository's root, and what converting the net printed there."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FOLDER, "examples/clothes")
    page = commands()
    run(cli, page["edgespike demo"])
    run(cli, page["python -c"])
    return run(cli, page["edgespike convert"])


def test_the_net_is_read_and_compared_with_snntorch_itself(converted: str) -> None:
    assert "snntorch, torch modules with neurons of snnTorch" in converted
    assert "10 steps" in converted
    before, after = map(float, re.findall(r"(\d+\.\d+)% (?:before|after)", converted))
    assert (before, abs(before - after) <= 1.5) == (88.5, True)
    check = converted[converted.index("spikes different") :]
    shares = {}
    for layer in ("lif1", "lif2"):
        (line,) = (line for line in check.splitlines() if f" {layer} " in line)
        values, _, different = line.replace(",", "").split()[1:]
        shares[layer] = int(different) / int(values)
    assert 0 < shares["lif1"] < 0.03
    assert 0 < shares["lif2"] < 0.07


@pytest.mark.parametrize(
    "target", ["cpu", "tflite", pytest.param("loihi", marks=pytest.mark.loihi)]
)
def test_targets_compute_the_graph_bit_for_bit(cli: Cli, converted: str, target: str) -> None:
    available(target)
    words = commands()["edgespike verify"]
    words[words.index("--targets") + 1] = target
    words[words.index("--samples") + 1] = "20"
    assert "equal" in run(cli, words)


def test_the_bundle_for_a_raspberry_pi_checks_itself_and_classifies(
    cli: Cli, converted: str
) -> None:
    available("tflite")
    page = commands()
    run(cli, page["edgespike tflite"])
    check, classify = (words for words in page.values() if words[1].endswith("run.py"))
    assert "32 of 32 samples are exactly as expected" in run(cli, check)
    classes = np.array([int(line) for line in run(cli, classify).split()])
    assert (classes == np.load("try-clothes/labels.npy")).mean() > 0.86


def test_the_folder_for_loihi_and_the_report_are_written(cli: Cli, converted: str) -> None:
    page = commands()
    run(cli, page["edgespike loihi"])
    assert Path("out/clothes-loihi/network.npz").exists()
    printed = run(cli, page["edgespike energy"])
    assert re.search(r"\bloihi [\d.]+ µJ", printed)
    assert "cannot run" not in printed
    assert "clothes" in Path("out/clothes.html").read_text()
