"""However a command ends, no file is left half-written, and nobody sees a stack trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgespike.cli.app import INTERNAL_ERROR, run_app
from edgespike.graph import load_graph, save_graph
from tests.example_graphs import residual_graph

Start = Callable[..., subprocess.Popen[str]]

FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))"
"""Writing more than 900 bytes to a file fails, as it does where the disk is full."""


@pytest.fixture
def graph_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph file outside the folder where commands run."""
    path = tmp_path_factory.mktemp("graph") / "graph.safetensors"
    save_graph(residual_graph(), path)
    return path


def wait_until_busy(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting\n"


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "interrupted; no half-written file was left behind\n"),
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
    ],
)
def test_a_stopped_export_leaves_nothing(
    start_cli: Start, graph_file: Path, tmp_path: Path, number: int, code: int, message: str
) -> None:
    process = start_cli("export", "-t", "waiting", graph_file, "-o", "out")
    wait_until_busy(process)
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", message)
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_leaves_no_folder_of_its_name(
    start_cli: Start, graph_file: Path, tmp_path: Path
) -> None:
    process = start_cli("export", "-t", "waiting", graph_file, "-o", "out")
    wait_until_busy(process)
    process.kill()
    process.wait()
    assert not (tmp_path / "out").exists()
    assert start_cli("export", "-t", "exact", graph_file, "-o", "out").wait() == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["SHA256SUMS", "model.bin"]


def test_an_interrupted_verification_writes_no_certificate(
    start_cli: Start, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    arguments = ("-i", input_file, "--targets", "waiting", "-o", "certificate.json", "--json")
    process = start_cli("verify", graph_file, *arguments)
    wait_until_busy(process)
    process.send_signal(signal.SIGINT)
    message = "interrupted; no half-written file was left behind\n"
    assert process.communicate(timeout=60) == ("", message)
    assert process.returncode == 130
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments", [("export", "-t", "exact", "-o", "out"), ("convert", "-o", "out.safetensors")]
)
def test_a_full_disk_leaves_nothing(
    start_cli: Start, graph_file: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments
    process = start_cli(command, graph_file, *options, first=FULL_DISK)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stdout == ""
    assert stderr.startswith("error: cannot write out")
    assert "File too large" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_standard_output_is_an_error(
    start_cli: Start, graph_file: Path, options: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        process = start_cli("show", graph_file, *options, stdout=full)
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert stderr == (
        "error: standard output: No space left on device; fix this or write elsewhere, then run "
        "again\n"
    )


def without_reader(start_cli: Start, *arguments: object) -> tuple[int, str]:
    """Run a command whose output nothing reads; return its exit code and standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        process = start_cli(*arguments, stdout=closed)
        stderr = process.communicate(timeout=60)[1]
    return process.returncode, stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_closed_pipe_gives_no_stack_trace(
    start_cli: Start, graph_file: Path, options: tuple[str, ...]
) -> None:
    assert without_reader(start_cli, "show", graph_file, *options) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("show", "--help"),
        ("targets",),
        ("run", "GRAPH", "-i", "INPUT"),
        ("energy", "GRAPH", "-i", "INPUT", "-t", "exact", "--audit", "1"),
        ("verify", "GRAPH", "-i", "INPUT", "--targets", "exact"),
    ],
    ids=" ".join,
)
def test_a_closed_pipe_is_not_a_failed_check(
    start_cli: Start, graph_file: Path, input_file: Path, arguments: tuple[str, ...]
) -> None:
    places = {"GRAPH": graph_file, "INPUT": input_file}
    code, stderr = without_reader(start_cli, *(places.get(part, part) for part in arguments))
    assert "Traceback" not in stderr
    assert code == 2


INTERRUPTED_IMPORT = """
import sys

class Interrupting:
    def find_spec(name, *_):
        if name == "edgespike.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting)
"""


def test_an_interrupt_before_the_command_began_has_its_exit_code(start_cli: Start) -> None:
    process = start_cli("targets", first=INTERRUPTED_IMPORT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


INTERRUPTED_AT_EXIT = """
import atexit, os
atexit.register(os.kill, os.getpid(), signal.SIGINT)
"""


def test_an_interrupt_after_the_command_ended_changes_nothing(start_cli: Start) -> None:
    process = start_cli("--version", first=INTERRUPTED_AT_EXIT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert stdout.startswith("edgespike ")


def test_progress_and_messages_never_mix_with_the_answer(
    start_cli: Start, graph_file: Path, input_file: Path
) -> None:
    process = start_cli(
        "energy", graph_file, "-i", input_file, "-t", "exact", "--audit", 1, "--json"
    )
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stdout.startswith("{\n")
    assert stdout.endswith("}\n")
    assert stderr == "recounting 1 samples, one event at a time\n"


def test_an_internal_error_is_not_mistaken_for_a_failed_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr("edgespike.load", broken, raising=False)
    monkeypatch.setattr(sys, "argv", ["edgespike", "show", "model.safetensors"])
    with pytest.raises(SystemExit) as ended:
        run_app()
    assert ended.value.code == INTERNAL_ERROR
    assert "ZeroDivisionError: broken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        ("energy {model} -i {x} 2>&-", 0),
        ("run {model} -i {x} >/dev/full", 2),
        ("--help >/dev/full", 2),
        ("show nowhere.safetensors 2>/dev/full", 2),
        ("energy {model} -i {x} >/dev/null", 0),
    ],
)
def test_streams_that_are_closed_full_or_ascii(
    graph_file: Path, tmp_path: Path, redirected: str, code: int
) -> None:
    graph = load_graph(graph_file)
    tensor = graph.tensors[graph.input.name]
    np.save(tmp_path / "x.npy", np.full((2, *tensor.shape), tensor.bounds[1]))
    command = redirected.format(model=graph_file, x=tmp_path / "x.npy")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m edgespike {command}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
