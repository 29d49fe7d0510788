"""Which version a graph file has, and what older versions mean by fields that they lack."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.errors import FileFormatError
from edgespike.graph import Dense, Graph, Input, Membrane, Node, Readout, load_graph, save_graph
from edgespike.graph.files import GRAPH_KEY, graph_bytes, read_metadata
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from tests.graph_files import NODE, described, hostile, node


def graph_with(*ops: Membrane) -> Graph:
    one = Dense(np.ones((1, 1), int), np.zeros(1, int))
    nodes = [Node("input", Input((1,), 0, 1, 1.0))]
    for op, name in zip(ops, ("membrane", "second"), strict=False):
        dense = Node("dense" if len(nodes) == 1 else f"before_{name}", one, (nodes[-1].name,))
        nodes += [dense, Node(name, op, (dense.name,))]
    nodes.append(Node("last", one, (nodes[-1].name,)))
    return Graph("old", (*nodes, Node("readout", Readout(np.ones(1)), ("last",))), 5)


def membrane(**fields: Any) -> Membrane:
    return Membrane(np.array([3]), decay=7, **fields)


def description(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.loads(read_metadata(path)[GRAPH_KEY])["description"])
    return found


@pytest.mark.parametrize(
    ("ops", "version", "stored"),
    [
        ((), 3, []),
        ((membrane(saturation=ACCUMULATOR_LIMIT),), 3, [None]),
        ((membrane(),), 4, [2**23 - 1]),
        ((membrane(saturation=ACCUMULATOR_LIMIT), membrane(saturation=300)), 4, [None, 300]),
    ],
)
def test_a_file_has_the_oldest_version_that_holds_the_graph(
    ops: tuple[Membrane, ...], version: int, stored: list[int | None], tmp_path: Path
) -> None:
    graph, path = graph_with(*ops), tmp_path / "graph.safetensors"
    save_graph(graph, path)
    found = description(path)
    assert found["version"] == version
    entries = [entry for entry in found["nodes"] if entry["op"] == "membrane"]
    assert [entry.get("saturation") for entry in entries] == stored
    assert load_graph(path) == graph


def test_a_membrane_without_saturation_has_the_hash_and_the_file_of_version_3() -> None:
    """Both were computed by the version before saturation, for the same graph without it."""
    graph = graph_with(membrane(saturation=ACCUMULATOR_LIMIT))
    assert graph.hash == "93282b532c16240ffb3ff883fced1021603338a1187e6a714aba7c934aaa31e3"
    assert sha256(graph_bytes(graph)).hexdigest() == (
        "8688f6fb1d355fac6155d7575bf4e4bea63c1b5eae871f6aa715837754ea6531"
    )


def membrane_file(version: int, **fields: object) -> bytes:
    options = {"decay": 0, "reset": "subtract", "reset_time": "same_step", "comparison": ">="}
    entries = (
        {**NODE, "shape": [1]},
        node("dense", "dense", "input"),
        node("membrane", "membrane", "dense", **options, max_spikes=1, **fields),
        node("last", "dense", "membrane"),
        node("readout", "readout", "last"),
    )
    one, zero = np.ones((1, 1), np.int8), np.zeros(1, np.int8)
    arrays: dict[str, Any] = {"membrane.theta": np.array([2], np.int8), "readout.scale": np.ones(1)}
    arrays |= {"dense.weight": one, "dense.bias": zero, "last.weight": one, "last.bias": zero}
    return hostile(described(*entries, version=version, steps=9), arrays)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_membranes_of_older_files_never_saturate(version: int, tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    path.write_bytes(membrane_file(version))
    assert load_graph(path)["membrane"].op == Membrane(np.array([2]), saturation=ACCUMULATOR_LIMIT)


def test_a_field_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mixed.safetensors"
    path.write_bytes(membrane_file(4, saturation=999))
    assert load_graph(path)["membrane"].op == Membrane(np.array([2]), saturation=999)
    path.write_bytes(membrane_file(3, saturation=999))
    with pytest.raises(FileFormatError, match=r"node membrane has unknown fields \['saturation'\]"):
        load_graph(path)
