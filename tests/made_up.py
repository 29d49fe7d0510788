"""Targets for tests, each with one runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.targets.base import Runner, Runtime, Target, TracingRunner
from edgespike.trace import Trace


def no_violations(graph: Graph) -> list[str]:
    return []


def write_nothing(graph: Graph, folder: Path) -> None:
    pass


def made_up(
    name: str,
    run: Callable[[Graph, NDArray[Any]], Trace] = interpret,
    *,
    version: Callable[[], str] | None = None,
    prepare: Callable[[Graph], Runner] | None = None,
    setup: Callable[[], str] | None = None,
    summary: str = "",
    violations: Callable[[Graph], list[str]] = no_violations,
    write: Callable[[Graph, Path], None] = write_nothing,
) -> Target:
    """Return a target whose runtime calls ``run``, by default the interpreter."""
    tell = version or (lambda: f"{name} 1")

    def prepared(graph: Graph) -> Runner:
        return TracingRunner(graph, tell(), lambda samples: run(graph, samples))

    runtime = Runtime(name, summary, tell, prepare or prepared, setup)
    return Target(name, violations, write, (runtime,))
