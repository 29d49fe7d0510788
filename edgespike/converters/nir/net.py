"""The nodes and edges of a NIR file, with nested graphs put in place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgespike.converters.nir.hdf5 import Tree, read_tree
from edgespike.converters.nir.schema import (
    IDENTITY,
    PRIMITIVES,
    NirNode,
    read_node,
    unknown_kind,
)
from edgespike.errors import FileFormatError, shown

NODES_LIMIT = 2_000
"""Most nodes of a net; public files have up to 17."""

_COMPARED = 200
"""Most names, and letters of a name, among which the nearest is looked for."""


@dataclass(eq=False)
class NirNet:
    """A file's graph, flat.

    Parameters
    ----------
    nodes
        By path.
    edges
        From path to path, each once, in the file's order.
    version
        Of the package nir that wrote the file, as the file says; empty if it does not.
    metadata
        Of the graph as a whole.
    assumed
        What was left out or read otherwise than it stands, one sentence each.
    """

    nodes: dict[str, NirNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    version: str = ""
    metadata: Tree = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)

    def sources(self, path: str) -> list[str]:
        """Return where a node's inputs come from."""
        return [source for source, to in self.edges if to == path]


def read_nir(path: Path, faults: list[str]) -> NirNet:
    """Read a NIR file, and note everything that is wrong with its nodes and edges.

    Raises
    ------
    FileFormatError
        It cannot be read, or is not a NIR file.
    EnvironmentMissingError
        h5py is not installed.
    """
    tree = read_tree(path)
    root = tree.get("node")
    if not isinstance(root, dict):
        raise FileFormatError(
            f"{path} is an HDF5 file without the group 'node' of NIR; it has "
            f"{', '.join(map(shown, sorted(tree))) or 'nothing'}; name a file that nir.write wrote"
        )
    version = tree.get("version")
    net = NirNet(version=version if isinstance(version, str) else "")
    metadata = root.get("metadata")
    net.metadata = metadata if isinstance(metadata, dict) else {}
    kind = root.get("type", "NIRGraph")
    if isinstance(kind, str) and kind != "NIRGraph":
        root = _alone(root)
    _Flattener(net, faults).add(root, "")
    if len(net.nodes) > NODES_LIMIT:
        raise FileFormatError(f"{path} has {len(net.nodes)} nodes; the limit is {NODES_LIMIT}")
    return net


def _alone(node: Tree) -> Tree:
    """Return the graph of a file that holds a single node."""
    size = np.array([0])
    nodes: Tree = {
        "input": {"type": "Input", "shape": size},
        "node": node,
        "output": {"type": "Output", "shape": size},
    }
    edges = np.array([["input", "node"], ["node", "output"]], object)
    return {"type": "NIRGraph", "nodes": nodes, "edges": edges}


@dataclass
class _Flattener:
    net: NirNet
    faults: list[str]

    def add(self, graph: Tree, prefix: str) -> dict[str, list[str]]:
        """Add a graph's nodes and edges; return its inputs and outputs."""
        ends: dict[str, list[str]] = {"Input": [], "Output": []}
        nested: dict[str, dict[str, list[str]]] = {}
        nodes = graph.get("nodes")
        if not isinstance(nodes, dict) or not nodes:
            self.faults.append(f"{prefix or 'the graph'} has no group 'nodes' with nodes")
            return ends
        for name in sorted(nodes, key=_natural):
            path, node = f"{prefix}{name}", nodes[name]
            kind = node.get("type") if isinstance(node, dict) else node
            if not isinstance(node, dict) or not isinstance(kind, str) or kind not in PRIMITIVES:
                self.faults.append(unknown_kind(path, kind))
                self._unknown.add(path)
            elif kind == "NIRGraph":
                nested[path] = self.add(node, f"{path}.")
            else:
                self._add_node(path, kind, node, inner=bool(prefix))
                if kind in ends:
                    ends[kind].append(path)
        for source, to in self._edges(graph.get("edges"), prefix):
            self._connect(source, to, nested)
        return ends

    def _add_node(self, path: str, kind: str, node: Tree, inner: bool) -> None:
        if path in self.net.nodes:
            self.faults.append(f"{path} is the name of two nodes; rename one")
        elif inner and kind in ("Input", "Output"):
            self.net.nodes[path] = NirNode(path, IDENTITY, {}, {})
        else:
            self.net.nodes[path] = read_node(path, kind, node, self.faults)

    def _edges(self, edges: Any, prefix: str) -> list[tuple[str, str]]:
        place = f"{prefix}edges"
        if not isinstance(edges, np.ndarray) or edges.ndim != 2 or edges.shape[1] != 2:
            if isinstance(edges, np.ndarray) and not edges.size:
                return []
            self.faults.append(f"{place} is {shown(edges)}; it must be pairs of names of nodes")
            return []
        if edges.dtype != object:
            self.faults.append(f"{place} holds {edges.dtype}; it must hold names of nodes")
            return []
        return [(f"{prefix}{a}", f"{prefix}{b}") for a, b in edges.tolist()]

    def _connect(self, source: str, to: str, nested: dict[str, dict[str, list[str]]]) -> None:
        starts = self._ends(source, nested, "Output", "starts")
        targets = self._ends(to, nested, "Input", "ends")
        if len(starts) == 1 and len(targets) == 1:
            edge = (starts[0], targets[0])
            if edge not in self._known_edges:
                self._known_edges.add(edge)
                self.net.edges.append(edge)
            else:
                self.net.assumed.append(
                    f"The edge {source} -> {to} stands twice in the file; it counts once."
                )

    def __post_init__(self) -> None:
        self._known_edges: set[tuple[str, str]] = set()
        self._unknown: set[str] = set()

    def _ends(
        self, path: str, nested: dict[str, dict[str, list[str]]], kind: str, verb: str
    ) -> list[str]:
        if path in nested:
            found = nested[path][kind]
            if len(found) != 1:
                self.faults.append(
                    f"an edge {verb} at the nested graph {path}, which has {len(found)} nodes of "
                    f"type {kind}; it must have one"
                )
            return found
        if path in self.net.nodes:
            return [path]
        if path not in self._unknown:
            self._unknown.add(path)
            names = [*self.net.nodes, *nested][:_COMPARED]
            few = len(self._unknown) <= _COMPARED // 10  # of many, the first have to do
            near = difflib.get_close_matches(path[:_COMPARED], names, 1, 0.5) if few else []
            nearest = f"; the nearest name is {near[0]}" if near else ""
            self.faults.append(f"an edge {verb} at {shown(path)}, which is no node{nearest}")
        return []


def _natural(name: str) -> tuple[int, int, str]:
    """Sort numbers as such, before other names."""
    return (
        (0, int(name), "") if name.isascii() and name.isdigit() and len(name) < 19 else (1, 0, name)
    )
