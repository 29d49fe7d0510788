"""The target c on the command line."""

from __future__ import annotations

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
