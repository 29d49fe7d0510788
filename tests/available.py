"""Runtimes that may be missing where the tests run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from numpy.typing import NDArray

from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph
from edgespike.targets import get_runtime, prepare
from edgespike.targets.base import Runtime
from edgespike.trace import Trace

needs_tflm = pytest.mark.skipif(find_spec("tflite_micro") is None, reason="no tflite-micro")

Run = Callable[[Graph, NDArray[Any]], Trace]
"""Runs samples through a graph."""


def is_installed(name: str) -> bool:
    """Return whether a runtime is installed."""
    try:
        get_runtime(name).version()
    except EnvironmentMissingError:
        return False
    return True


def available(name: str) -> Runtime:
    """Return an installed runtime, or skip the test and say how to install it."""
    runtime = get_runtime(name)
    try:
        runtime.version()
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))
    return runtime


def run_on(name: str, graph: Graph, samples: NDArray[Any]) -> Trace:
    """Prepare a graph on a runtime and run samples once."""
    return prepare(graph, name).trace(samples)
