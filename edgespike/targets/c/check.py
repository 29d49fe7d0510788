"""What the C target cannot do."""

from __future__ import annotations

from collections.abc import Mapping

from edgespike.graph import Graph
from edgespike.targets.c.layout import kernel_faults


def violations(graph: Graph, named: Mapping[str, str] | None = None) -> list[str]:
    """Return which kernels do not fit; every valid graph can be written in C.

    Parameters
    ----------
    graph
        The graph.
    named
        Names of kernels that are asked for, by the layers' names.
    """
    return kernel_faults(graph, named or {})
