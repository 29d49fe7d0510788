"""``edgespike budget``: limits that are kept, those that are not, and those that make no sense."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.budget import BudgetError, Limits, parse_budget, parse_operations, parse_share
from edgespike.errors import InputError
from edgespike.graph import load_graph
from edgespike.models import write_files
from tests.cli.conftest import Cli

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parent.parent.parent
WORKFLOW = ROOT / "docs" / "ci" / "edgespike-budget.yml"


@pytest.fixture
def labels_file(tmp_path: Path, graph_file: Path, input_file: Path) -> Path:
    """Labels of which three of four are right."""
    graph = load_graph(graph_file)
    found = edgespike.run(graph, np.load(input_file)).classes(graph)
    labels = np.where(np.arange(4) < 3, found, (found + 1) % 3)
    path = tmp_path / "y.npy"
    np.save(path, labels)
    return path


@pytest.fixture
def operations(graph_file: Path, input_file: Path) -> int:
    """Operations of all four samples."""
    counts = edgespike.count(load_graph(graph_file), np.load(input_file))
    return counts.synaptic_operations() + counts.multiply_accumulates()


def test_operations_are_compared_exactly(
    cli: Cli, graph_file: Path, input_file: Path, operations: int
) -> None:
    for limit, code in (
        (Fraction(operations, 4), 0),
        (Fraction(operations, 4) - Fraction(1, 10**12), 1),
    ):
        result = cli("budget", graph_file, "-i", input_file, "--max-operations", limit, "--json")
        assert result.code == code
        (check,) = result.json["checks"]
        assert check["passed"] is result.json["passed"] is (code == 0)
        assert check["found"] == operations / 4


def test_a_limit_missed_by_less_than_a_digit_does_not_look_kept(
    cli: Cli, graph_file: Path, input_file: Path, operations: int
) -> None:
    limit = Fraction(operations, 4) - Fraction(1, 1000)
    result = cli("budget", graph_file, "-i", input_file, "--max-operations", float(limit))
    assert result.code == 1
    (line,) = (line for line in result.stdout.splitlines() if line.endswith("FAIL "))
    assert line.split()[-3:] == [f"{float(limit):.12g}", f"{operations / 4:.12g}", "FAIL"]


def test_a_huge_limit_is_printed_with_an_exponent(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    result = cli("budget", graph_file, "-i", input_file, "--max-operations", "1e99")
    assert "1e+99" in result.stdout
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80  # the first has the path


@pytest.mark.parametrize(("least", "code"), [("0.75", 0), ("75%", 0), ("0.7500001", 1)])
def test_the_accuracy_is_a_share_of_whole_samples(
    cli: Cli, graph_file: Path, input_file: Path, labels_file: Path, least: str, code: int
) -> None:
    result = cli(
        "budget", graph_file, "-i", input_file, "--labels", labels_file, "--min-accuracy", least
    )
    assert result.code == code
    assert "accuracy: 3 of 4 samples are right." in result.stdout


def test_the_high_end_of_the_energy_counts_unless_the_typical_is_asked_for(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    report = edgespike.estimate_energy(load_graph(graph_file), np.load(input_file))
    (row,) = (row for row in report.estimates if row.model.name == "int8-with-memory")
    limit = (row.energy.typical + row.energy.high) / 8  # between both, of one sample
    base = ("budget", graph_file, "-i", input_file, "--max-energy", f"{limit} J", "--json")
    high, typical = cli(*base), cli(*base, "--typical")
    assert (high.code, typical.code) == (1, 0)
    assert high.json["checks"][0]["found"] == row.energy.high / 4
    assert typical.json["checks"][0]["found"] == row.energy.typical / 4
    assert "high end by int8-with-memory of profile 45nm" in high.json["checks"][0]["what"]


def test_an_energy_of_hardware_that_cannot_run_the_graph_keeps_no_limit(
    cli: Cli, graph_file: Path, input_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgespike.comparison.running.refusals", lambda graph: lambda name: ["too large"]
    )
    result = cli("budget", graph_file, "-i", input_file, "--max-energy", "1 J", "--model", "loihi")
    assert result.code == 1
    assert "target loihi cannot run this graph" in " ".join(result.stdout.split())


def test_flash_is_the_graph_file_or_that_of_the_target(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    size = graph_file.stat().st_size
    base = ("budget", graph_file, "-i", input_file, "--max-flash")
    assert cli(*base, size).code == 0
    missed = cli(*base, f"{size - 1} B")
    assert missed.code == 1
    assert "the graph file" in missed.stdout
    edgespike.export(load_graph(graph_file), "tflite", tmp_path / "out")
    found = cli(*base, "1B", "-t", "tflite", "--json").json["checks"][0]
    assert found["found"] == (tmp_path / "out" / "raspberry-pi" / "model.tflite").stat().st_size
    assert found["what"].startswith("raspberry-pi/model.tflite of target tflite")


def test_a_file_holds_the_same_and_options_come_first(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "budget.toml"
    path.write_text('max-weights = 1\nmax-energy = "1 J"\nmodel = "int8-operations"\n')
    base = ("budget", graph_file, "-i", input_file, "--budget", path, "--json")
    assert [check["passed"] for check in cli(*base).json["checks"]] == [True, False]
    over = cli(*base, "--max-weights", "1e6", "--model", "fp32-all-layers")
    assert over.code == 0
    assert "fp32-all-layers" in over.json["checks"][0]["what"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no limit is given; give at least one of max-operations"),
        (["--min-accuracy", "0.9"], "min-accuracy: there are no labels"),
        (["--max-energy", "3 kg"], "'kg' is not a unit of energy"),
        (["--max-energy", "3"], "has no unit"),
        (["--max-energy", "-3uJ"], "at least 0"),
        (["--max-flash", "3 J"], "is not a unit of size"),
        (["--max-flash", "-3"], "at least 0"),
        (["--max-operations", "-1"], "is negative"),
        (["--max-operations", "nan"], "is not a number of operations"),
        (["--max-operations", "1e999999999"], "is not a number of operations"),
        (["--max-operations", "1/0"], "is not a number of operations"),
        (["--min-accuracy", "90"], "is not a share from 0 to 1"),
        (["--max-weights", "0.5"], "is not a whole number"),
        (["--max-weights", "9", "--typical"], "max-energy is not given"),
        (["--max-weights", "9", "-t", "nonesuch"], "no target is named 'nonesuch'"),
        (["--max-energy", "1J", "--model", "nonesuch"], "by model 'nonesuch'"),
        (["--max-energy", "1J", "--profile", "loihi2"], "profile 'loihi2'"),
    ],
)
def test_what_cannot_be_checked_is_wrong_usage(
    cli: Cli, graph_file: Path, input_file: Path, arguments: list[str], message: str
) -> None:
    result = cli("budget", graph_file, "-i", input_file, *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr


def test_all_that_is_wrong_with_a_budget_is_said_at_once() -> None:
    wrong = {"max-energy": 3, "max-flash": "3 J", "min-accuracy": True, "typical": 1, "most": 1}
    with pytest.raises(BudgetError) as caught:
        parse_budget(wrong, "budget b.toml")
    lines = {line.partition(":")[0] for line in caught.value.violations}
    assert {"max-energy", "max-flash", "min-accuracy", "typical"} < lines
    assert any(line.startswith("'most' is unknown") for line in caught.value.violations)


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), ("3e6", 3 * 10**6), ("3_000", 3000), (0.1, Fraction(1, 10)), ("0.1", Fraction(1, 10))],
)
def test_numbers_are_the_digits_that_were_written(value: Any, number: Any) -> None:
    assert parse_operations(value) == number


def test_shares_are_exact() -> None:
    assert parse_share(0.9) == parse_share("90%") == parse_share("0.9") == Fraction(9, 10)
    with pytest.raises(InputError):
        parse_share("101%")


def test_a_budget_that_says_all_is_read() -> None:
    values = {
        "max-operations": 10,
        "max-energy": "3 uJ",
        "min-accuracy": 0.5,
        "max-flash": "1 KiB",
        "max-weights": 7,
    }
    expected = Limits(Fraction(10), 3e-6, Fraction(1, 2), 1024, 7)
    assert parse_budget(values, "here").limits == expected


@pytest.mark.slow
def test_the_commands_of_the_workflow_run_on_a_shipped_model(tmp_path: Path) -> None:
    write_files(tmp_path / "repository")
    (tmp_path / "repository" / "base").symlink_to(".")
    budget = (WORKFLOW.parent / "budget.toml").read_text()
    (tmp_path / "repository" / "budget.toml").write_text(budget)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "edgespike"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgespike "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    summary = tmp_path / "summary.md"
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    workflow = yaml.safe_load(WORKFLOW.read_text())
    steps = workflow["jobs"]["budget"]["steps"]
    scripts = [step["run"] for step in steps if "edgespike " in step.get("run", "")]
    assert len(scripts) == 2

    def run(script: str) -> int:
        # As GitHub runs a step.
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path / "repository",
            env=environment,
            check=False,
        ).returncode

    assert [run(script) for script in scripts] == [0, 0]
    lines = summary.read_text().splitlines()
    assert lines[0] == lines[-1] == "```"
    assert any("both together" in line for line in lines)
    tight = budget.replace("max-weights = 600_000", "max-weights = 500_000")
    assert tight != budget
    (tmp_path / "repository" / "budget.toml").write_text(tight)
    assert run(scripts[0]) == 1


def test_the_workflow_is_one_of_github() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow[True] == ["push", "pull_request"]  # YAML 1.1 reads the key 'on' as true
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert ("run" in step) is not ("uses" in step)
