"""Compiling and running networks in C from Python and from the command line."""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgespike.errors import EnvironmentMissingError, TargetRunError
from edgespike.extras import install_command
from edgespike.graph import Graph, Node
from edgespike.interpreter import interpret
from edgespike.targets import prepare
from edgespike.targets.c import build
from edgespike.targets.c.run import prepare_written
from edgespike.targets.c.source import write_c
from tests.available import is_installed
from tests.example_graphs import residual_graph, samples_for

needs_compiler = pytest.mark.skipif(not is_installed("c"), reason="no C compiler")

SLOW_COMPILER = """\
#!{python}
import subprocess, sys
print("compiling", file=sys.stderr, flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])
"""
"""Starts another process, as gcc does, that holds what it was given as its output."""


@pytest.fixture
def slow_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "slow-cc"
    path.write_text(SLOW_COMPILER.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files be made in a folder of the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@needs_compiler
def test_runners_at_the_same_time_do_not_meet(temporary: Path) -> None:
    graph = residual_graph()
    runner, other = prepare(graph, "c"), prepare(graph, "c")
    assert list(temporary.iterdir()) == []
    batches = [samples_for(graph, 4 + k) for k in range(16)]
    with ThreadPoolExecutor(4) as pool:
        traces = list(pool.map((lambda k: (runner, other)[k % 2].trace(batches[k])), range(16)))
    for batch, trace in zip(batches, traces, strict=True):
        for name, values in interpret(graph, batch).values.items():
            np.testing.assert_array_equal(trace.values[name], values)


def test_no_compiler_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent")
    with pytest.raises(EnvironmentMissingError, match="CC is '/nonexistent', which cannot be run"):
        prepare(residual_graph(), "c")


@pytest.fixture
def without_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no compiler of the system be found."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")


@pytest.mark.usefixtures("without_compilers")
def test_where_the_system_has_none_that_of_ziglang_compiles(temporary: Path) -> None:
    if find_spec("ziglang") is None:
        pytest.skip(f"ziglang is not installed; run {install_command('c')}")
    graph = residual_graph()
    runner = prepare(graph, "c")
    assert runner.runtime == "C99 by zig cc"
    samples = samples_for(graph, 3)
    found = runner.trace(samples)
    for name, values in interpret(graph, samples).values.items():
        np.testing.assert_array_equal(found.values[name], values)


@pytest.mark.usefixtures("without_compilers")
def test_without_any_the_error_names_each_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentMissingError) as error:
        prepare(residual_graph(), "c")
    assert f"install gcc or clang, or run {install_command('c')}, or set CC" in str(error.value)


def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setenv("CC", f"{sys.executable} -c 'import sys; sys.exit(\"no such option\")'")
    with pytest.raises(TargetRunError, match="no such option"):
        prepare(residual_graph(), "c")
    assert list(temporary.iterdir()) == []


def test_a_compiler_has_a_time_limit(
    slow_compiler: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MOST_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(TargetRunError, match=r"did not end within 0\.5 s on \d+ bytes of C"):
        prepare(residual_graph(), "c")
    assert time.monotonic() - start < 30  # what it started is ended too
    assert list(temporary.iterdir()) == []


@needs_compiler
@pytest.mark.parametrize("name", ["int", "a-b.c", "1", "_", "run", "weights", "NETWORK", "memset"])
def test_any_names_of_graphs_and_nodes(name: str) -> None:
    graph = residual_graph()
    names = ["step", "init", "run", "answer", "net", "a-b", "a.b", "a_b", "int", "1"]
    renamed = {node.name: new for node, new in zip(graph.nodes, names, strict=True)}
    nodes = tuple(
        Node(renamed[node.name], node.op, tuple(renamed[each] for each in node.inputs))
        for node in graph.nodes
    )
    samples = samples_for(graph, 2)
    written = write_c(Graph(name, nodes, graph.steps))
    trace = prepare_written(Graph(name, nodes, graph.steps), written).trace(samples)
    for old, values in interpret(graph, samples).values.items():
        np.testing.assert_array_equal(trace.values[renamed[old]], values)
