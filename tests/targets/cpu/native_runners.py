"""Runners of a graph on each kernel set of the native engine."""

from __future__ import annotations

from unittest import mock

from edgespike.graph import Graph
from edgespike.targets.cpu import CpuRunner
from edgespike.targets.cpu.native import engine, library, native_engine


def on_every_kernel_set(graph: Graph) -> dict[str, CpuRunner]:
    """Prepare a graph that the native engine holds once for each kernel set that runs here."""
    return {kernels: on_kernels(graph, kernels) for kernels in library.kernel_sets()}


def on_kernels(graph: Graph, kernels: str) -> CpuRunner:
    """Prepare a graph that the native engine holds on a kernel set."""
    with mock.patch.object(engine, "kernel_sets", return_value=(kernels,)):
        runner = CpuRunner(graph)
    assert runner.runtime.startswith(f"native engine ({kernels}), ")
    return runner


def runs_natively(graph: Graph) -> bool:
    """Return whether the native engine is here and holds a graph."""
    return native_engine(graph) is not None
