"""What edgespike writes beside a NIR graph: for whom it is written, and the graph as it was.

The description of a graph file, see :mod:`edgespike.graph.description`, and its arrays stand in the
metadata, but for weights and biases, which are in NIR's own nodes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgespike.converters.nir.hdf5 import Tree
from edgespike.converters.nir.net import NirNet
from edgespike.errors import FileFormatError, GraphError
from edgespike.floats.net import Reals
from edgespike.graph import Conv2d, Dense, Graph
from edgespike.graph.description import WRONG_CONTENT, build, describe
from edgespike.graph.packing import pack, typed
from edgespike.graph.tensor import Integers

GRAPH = "edgespike_graph"
_NAMES = "edgespike_names"
_ARRAY = "edgespike_array."
_SCALE = "edgespike_scale."

_WEIGHTS = ("weight", "bias")


def described(graph: Graph, names: Mapping[str, str], scales: Mapping[str, Reals]) -> Tree:
    """Return the metadata from which :func:`restored` makes the graph again.

    Parameters
    ----------
    names
        Of the file's nodes, by those of the graph's.
    scales
        By what the weights of some of them are divided.
    """
    description, tensors = describe(graph)
    weighted = {f"{node.name}.{field}" for node in graph.nodes
                if isinstance(node.op, Dense | Conv2d) for field in _WEIGHTS}  # fmt: skip
    arrays: Tree = {
        f"{_ARRAY}{name}": value for name, value in tensors.items() if name not in weighted
    }
    arrays |= {f"{_SCALE}{name}": values for name, values in scales.items()}
    return {GRAPH: description, _NAMES: json.dumps(dict(names)), **arrays}


def has_graph(net: NirNet) -> bool:
    """Return whether a file's metadata hold a graph."""
    return isinstance(net.metadata.get(GRAPH), str)


def restored(path: Path, net: NirNet) -> Graph:
    """Return the graph that a file was written from, with the file's weights.

    Raises
    ------
    FileFormatError
        The metadata do not fit the nodes: a weight is not a whole number, or something is missing.
    GraphError
        The graph is not valid.
    """
    try:
        description = typed(json.loads(str(net.metadata[GRAPH])), dict)
        names = typed(json.loads(str(net.metadata.get(_NAMES))), dict)
        tensors = {
            key.removeprefix(_ARRAY): np.asarray(value)
            for key, value in net.metadata.items()
            if key.startswith(_ARRAY) and isinstance(value, np.ndarray) and value.dtype != object
        }
        for name, file_name in names.items():
            for field, values in _weights(net, str(file_name)).items():
                whole = _whole(f"{file_name}.{field}", values, net.metadata.get(f"{_SCALE}{name}"))
                tensors[f"{name}.{field}"] = pack(whole)[0]
        return build(description, tensors)
    except GraphError as error:
        raise GraphError(f"{path}: {error.what}", error.violations) from error
    except WRONG_CONTENT as error:
        raise FileFormatError(
            f"{path} has metadata of edgespike that do not fit its nodes: {error}; write it again, "
            "or give producer, so that they are not used"
        ) from error


def _weights(net: NirNet, name: str) -> dict[str, Reals]:
    node = net.nodes.get(name)
    if node is None or node.kind not in ("Affine", "Conv2d"):
        return {}
    return {field: node.arrays[field] for field in _WEIGHTS}


def _whole(name: str, values: Reals, scale: object) -> Integers:
    """Return whole numbers, which may have been divided by a scale of each channel."""
    if isinstance(scale, np.ndarray):
        values = values * scale.reshape(-1, *(1,) * (values.ndim - 1))
    whole = np.round(values)
    # A division and a product round by less than this.
    if not (np.abs(whole - values) <= np.abs(whole) * 2.0**-51).all() or (
        np.abs(values).max(initial=0) >= 2.0**50
    ):
        raise ValueError(f"{name} holds values that are not whole numbers")
    return whole.astype(np.int64)
