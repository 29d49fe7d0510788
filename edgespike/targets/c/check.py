"""What the C target cannot do."""

from __future__ import annotations

from edgespike.graph import Graph


def violations(graph: Graph) -> list[str]:
    """Return an empty list: every valid graph can be written in C."""
    return []
