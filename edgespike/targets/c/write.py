"""Write the artefact: the network in C, and all that checks, builds and describes it."""

from __future__ import annotations

from edgespike.graph import Graph
from edgespike.targets.c.bundle.folder import write_bundle as write

__all__ = ["remarks", "write"]


def remarks(graph: Graph) -> list[str]:
    """Say what the bundle lacks."""
    members = graph.readout_op.members
    if members == 1:
        return []
    return [
        f"no function that classifies: the class of an ensemble of {members} members is that of "
        "the largest mean of their softmax, which takes exp; answers and scales are there"
    ]
