"""Graphs as NIR files, for a simulator that is named, or refused with all that would be lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from edgespike.converters.nir.hdf5 import Tree
from edgespike.converters.nir.metadata import described
from edgespike.converters.nir.nodes import Writer
from edgespike.converters.nir.producers import HINT
from edgespike.converters.nir.receivers import RECEIVERS
from edgespike.errors import InputError, UnsupportedError, shown
from edgespike.extras import needs_extra
from edgespike.graph import Graph
from edgespike.storage.files import write_atomically


def write_nir(
    graph: Graph,
    path: Path | str,
    receiver: str = "nir",
    dt: float | None = None,
    *,
    metadata: bool = False,
) -> list[str]:
    """Write a graph as a NIR file.

    Parameters
    ----------
    graph
        The graph.
    path
        The file.
    receiver
        The simulator that will read it: "snntorch", "norse", "sinabs", "spikingjelly"; or "nir",
        NIR's own equations in Euler steps. They read the same numbers differently.
    dt
        Seconds of a step; by default those of the receiver.
    metadata
        Whether to write what NIR does not carry beside it, in the graph's metadata. Only edgespike
        reads that, and gets the graph back; a simulator computes without it.

    Returns
    -------
    lost
        What the receiver does not compute as the graph does; empty without ``metadata``.

    Raises
    ------
    InputError
        There is no such receiver, or dt is not a positive number.
    UnsupportedError
        Lists all that the receiver would compute otherwise. With ``metadata`` only what cannot be
        written at all.
    WriteError
        The file cannot be written.
    EnvironmentMissingError
        h5py is not installed.
    """
    if receiver not in RECEIVERS:
        raise InputError(
            f"receiver is {shown(receiver)}; files are written for {', '.join(RECEIVERS)}"
        )
    if dt is not None and not 0 < dt < np.inf:
        raise InputError(f"dt is {shown(dt)}; give a positive number of seconds")
    reader = RECEIVERS[receiver]
    writer = Writer(graph, reader, reader.producer.dt if dt is None else dt)
    tree = writer.tree()
    faults = writer.refused if metadata else [*writer.refused, *writer.lost]
    if faults:
        raise UnsupportedError(
            f"graph {graph.name!r} cannot be written as NIR for {receiver}", faults
        )
    tree["metadata"] = {
        HINT: np.array([receiver, repr(writer.dt)], object),
        **(described(graph, writer.names, writer.scales) if metadata else {}),
    }
    write_atomically(Path(path), _hdf5({"version": reader.version, "node": tree}))
    return writer.lost


def _hdf5(tree: Tree) -> bytes:
    with needs_extra("hdf5", "reading and writing NIR files"):
        import h5py
    content = io.BytesIO()
    with h5py.File(content, "w", track_order=False) as file:
        _put(file, tree, h5py.string_dtype())
    return content.getvalue()


def _put(group: Any, tree: Tree, text: Any) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            _put(group.create_group(name), value, text)
        elif isinstance(value, str) or value.dtype == object:
            group.create_dataset(name, data=value, dtype=text)
        else:
            packed = {"compression": "gzip"} if value.size > 1000 else {}
            group.create_dataset(name, data=value, **packed)
