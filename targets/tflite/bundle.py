"""Write the export folder."""

from edgespike.graph import Graph
from pathlib import Path


def write(graph: Graph, folder: Path) -> None:
    """Write."""
