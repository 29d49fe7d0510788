"""Running the command line, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from edgespike.cli import main
from edgespike.graph import save_graph
from tests.example_graphs import residual_graph, samples_for

PLUGIN = """
import sys
import time

from edgespike.counting import Tally, tally_trace
from edgespike.errors import EnvironmentMissingError
from edgespike.interpreter import interpret
from edgespike.targets.base import Runtime, Target, TracingRunner
from edgespike.trace import Trace


def write(graph, folder):
    (folder / "model.bin").write_bytes(b"x" * 4096)


def wait(graph, where):
    if hasattr(where, "mkdir"):
        (where / "half.bin").write_bytes(b"x")
    print("waiting", file=sys.stderr, flush=True)
    # Not signal.pause(): a signal that comes just before it sets a flag that nothing then reads.
    while True:
        time.sleep(0.05)


def add_one(graph, samples):
    values = dict(interpret(graph, samples).values)
    values[graph.readout.name][1, 0, 2] += 1
    return Trace(values)


class CountsTwice(TracingRunner):
    def tally(self, samples):
        once = super().tally(samples)
        twice = {name: 2 * events for name, events in once.events.items()}
        return Tally(once.accumulators, twice)


installed = []


def runtime():
    if not installed:
        raise EnvironmentMissingError("the simulator is missing; run: edgespike targets --setup")
    return installed[0]


def install():
    installed.append("simulator 2")
    return runtime()


def fail():
    raise EnvironmentMissingError("the simulator cannot be downloaded: no network")


def target(
    name, summary, run=interpret, version=lambda: "exact 1", setup=None, write=write,
    runner=TracingRunner,
):
    def prepare(graph):
        return runner(graph, version(), lambda samples: run(graph, samples))

    return Target(name, lambda graph: [], write, (Runtime(name, summary, version, prepare, setup),))


EXACT = target("exact", "the interpreter")
FAULTY = target("faulty", "one value is wrong", add_one)
WAITING = target("waiting", "never ends", wait, write=wait)
ABSENT = target("absent", "cannot be set up", version=runtime, setup=fail)
LATER = target("later", "can be set up", version=runtime, setup=install)
DOUBLE = target("double", "counts all twice", runner=CountsTwice)
"""
ENTRY_POINTS = """
[edgespike.targets]
exact = third_party_targets:EXACT
faulty = third_party_targets:FAULTY
waiting = third_party_targets:WAITING
absent = third_party_targets:ABSENT
later = third_party_targets:LATER
double = third_party_targets:DOUBLE
"""

# A test run in the background ignores Ctrl-C or a closed terminal, and its children would too.
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
{first}
from edgespike.cli import main
main()
"""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Cli = Callable[..., Result]


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a third party's package, which offers targets."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "third_party_targets.py").write_text(PLUGIN)
    info = folder / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def cli(
    plugin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cli]:
    """Run a command in this process."""
    monkeypatch.syspath_prepend(str(plugin))
    monkeypatch.delitem(sys.modules, "third_party_targets", raising=False)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["edgespike", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def start_cli(plugin: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in a process of its own, in ``tmp_path``; ``first`` is run before it."""
    path = os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    started = []

    def start(
        *arguments: object, first: str = "", stdout: int | IO[str] = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(first=first), *map(str, arguments)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    """A graph: see :func:`tests.example_graphs.residual_graph`."""
    path = tmp_path / "graph.safetensors"
    save_graph(residual_graph(), path)
    return path


@pytest.fixture
def input_file(tmp_path: Path) -> Path:
    """Four samples for ``graph_file``."""
    path = tmp_path / "x.npy"
    np.save(path, samples_for(residual_graph(), 4).astype(np.uint8))
    return path
