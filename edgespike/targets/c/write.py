"""Write the artefact: the network in C."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.targets.c.source import write_c


def write(graph: Graph, folder: Path, samples: NDArray[Any] | None = None) -> None:
    """Write the network's header and source into an empty folder.

    Parameters
    ----------
    graph
        The graph.
    folder
        Where to write.
    samples
        Samples among which those that check the artefact are chosen.
    """
    written = write_c(graph)
    (folder / f"{written.prefix}.h").write_text(written.header)
    (folder / f"{written.prefix}.c").write_text(written.source)
