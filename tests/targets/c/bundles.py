"""Bundles that several tests export, compile and run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import edgespike
from edgespike.graph import Graph
from edgespike.passes.ensemble import ensemble
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph
from tests.targets.labelled import GRAPHS as LABELLED

RULES = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
C99 = ["-std=c99", *RULES]

GRAPHS: dict[str, Callable[[], Graph]] = {
    "residual": residual_graph,
    "membranes": membrane_graph,
    "recurrent": recurrent_graph,
    "ensemble": lambda: ensemble([LABELLED["signed"]()] * 2),
    **LABELLED,
}
"""Graphs of one step and of several; with names of classes and scalings; and an ensemble."""

Export = Callable[[Graph], Path]


def run(*command: str | Path, cwd: Path, fails: bool = False, given: bytes = b"") -> str:
    """Run a program that fails or does not; return what it prints."""
    done = subprocess.run(command, cwd=cwd, input=given, capture_output=True, check=False)
    text = (done.stdout + (done.stderr if fails else b"")).decode()
    assert (done.returncode != 0) == fails, text + done.stderr.decode()
    return text


def tool(name: str) -> str:
    """Return a program's name, or skip the test if it is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


def prefix(folder: Path) -> str:
    """Return what a bundle's names begin with."""
    (header,) = (path for path in (folder / "src").glob("*.h") if "-" not in path.name)
    return header.stem


def sources(folder: Path) -> list[Path]:
    """Return the files of a bundle's library."""
    return sorted((folder / "src").glob("*.c"))


def build(
    folder: Path, compiler: str, main: Path, *options: str, more: Sequence[Path] = ()
) -> Path:
    """Compile a program with a bundle's library; return its file."""
    program = folder / "program"
    files = [*sources(folder), *more, main]
    included: list[str | Path] = ["-I", folder / "src", "-I", folder / "check"]
    run(tool(compiler), *C99, *options, *included, *files, "-lm", "-o", program, cwd=folder)
    return program


def build_check(folder: Path, compiler: str = "cc", *options: str) -> Path:
    """Compile a bundle's check for this computer."""
    check = folder / "check"
    return build(folder, compiler, check / "main.c", *options, more=[check / "port_host.c"])


def renamed(graph: Graph, name: str, nodes: dict[str, str] | None = None) -> Graph:
    """Return a graph under another name, with other names of its nodes."""
    names = nodes or {}
    changed = tuple(
        replace(
            node,
            name=names.get(node.name, node.name),
            inputs=tuple(names.get(each, each) for each in node.inputs),
        )
        for node in graph.nodes
    )
    return replace(graph, name=name, nodes=changed)


def export_to(folder: Path) -> Export:
    """Return a function that exports a graph into a folder of its own."""

    def write(graph: Graph) -> Path:
        return edgespike.export(graph, "c", folder / graph.name[:50])

    return write
