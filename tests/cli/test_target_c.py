"""The target c on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.available import is_installed
from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused

Start = Callable[..., subprocess.Popen[str]]

SLOW = "#!{python}\nimport pathlib, time\npathlib.Path({seen!r}).touch()\ntime.sleep(60)\n"


@pytest.mark.skipif(not is_installed("c"), reason="no C compiler")
@pytest.mark.parametrize("command", ["run", "verify", "energy"])
def test_commands_take_the_target(
    cli: Cli, graph_file: Path, input_file: Path, command: str
) -> None:
    option = "-t" if command == "verify" else "--target"
    result = cli(command, graph_file, option, "c", "--input", input_file)
    assert result.code == 0, result.stderr


@pytest.mark.parametrize("command", ["run", "verify"])
def test_without_a_compiler_commands_say_so(
    cli: Cli, graph_file: Path, input_file: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "/nonexistent")
    result = cli(command, graph_file, "-t", "c", "--input", input_file)
    assert result.code != 0
    assert "CC is '/nonexistent'" in result.stderr.replace("\n", " ")


def test_export_takes_kernels_and_samples(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = ("--samples", input_file, "--kernel", "conv1=rows", "--kernel", "dense=ROWS")
    result = cli("export", "-t", "c", graph_file, "-o", out, *given, "--json")
    assert result.code == 0, result.stderr
    layers = {row["layer"]: row for row in json.loads(result.stdout)["layers"]}
    assert layers["conv1"]["numbers"] == "ROWS: a row of weights for each value that is not 0"
    found = json.loads((out / "report.json").read_text())
    assert [row["kernel"] for row in found["layers"]] == ["ROWS"] * 3
    assert found["event_samples"] == 4


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["conv1"], "--kernel 'conv1' is not LAYER=KIND, as conv2=ROWS is"),
        (["=ROWS"], "is not LAYER=KIND"),
        (["conv1=ROWS", "conv1=EIGHTS"], "--kernel names two kernels for 'conv1'; give one"),
        (["conv9=ROWS"], "conv9 is no layer; there are conv1, conv2, dense"),
        (["conv1=EVENTS"], "conv1: EVENTS is not exact; these are: ROWS"),
        (["conv1=FAST"], "conv1: FAST is no kernel; these are: ROWS"),
    ],
)
def test_kernels_that_cannot_be_had(
    cli: Cli, graph_file: Path, tmp_path: Path, given: list[str], named: str
) -> None:
    options = [part for each in given for part in ("--kernel", each)]
    result = cli("export", "-t", "c", graph_file, "-o", tmp_path / "out", *options)
    refused(result, named)
    assert not (tmp_path / "out").exists()


def test_other_targets_have_no_kernels(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    options = ("--kernel", "conv1=ROWS")
    result = cli("export", "-t", "loihi", graph_file, "-o", tmp_path / "out", *options)
    refused(result, "target 'loihi' has no kernels to choose from", "name the target c")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_leaves_no_temporary_files(
    start_cli: Start,
    graph_file: Path,
    input_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    number: int,
) -> None:
    folder, temporary = tmp_path_factory.mktemp("cc"), tmp_path_factory.mktemp("temporary")
    seen, compiler = folder / "seen", folder / "cc"
    compiler.write_text(SLOW.format(python=sys.executable, seen=str(seen)))
    compiler.chmod(0o755)
    first = f"import os; os.environ.update(CC={str(compiler)!r}, TMPDIR={str(temporary)!r})"
    process = start_cli("run", graph_file, "-t", "c", "--input", input_file, first=first)
    until = time.monotonic() + 60
    while not seen.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert seen.exists()
    os.kill(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert list(temporary.iterdir()) == []
