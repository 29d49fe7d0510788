"""NIR files of a test's own, and the public ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.nir.convert import float_net
from edgespike.floats.net import FloatNet, FloatNeurons
from edgespike.floats.run import run_steps
from tests.public_models import FOLDER

PUBLIC = FOLDER / "nir"

Nodes = Mapping[str, Mapping[str, Any]]
Edges = Sequence[tuple[str, str]]


def public(name: str) -> Path:
    """Return a public file, or skip the test."""
    path = PUBLIC / name
    if not path.exists():
        pytest.skip(f"{path} is not here; it is NIR's paper's, see neuromorphs/NIR")
    return path


def write(path: Path, nodes: Nodes, edges: Edges, version: str = "1.0.8") -> Path:
    """Write a file; a node with ``nodes`` is a nested graph."""
    with h5py.File(path, "w") as file:
        file["version"] = version
        _put_graph(file.create_group("node"), nodes, edges)
    return path


def _put_graph(group: Any, nodes: Nodes, edges: Edges) -> None:
    group["type"] = "NIRGraph"
    inner = group.create_group("nodes")
    for name, node in nodes.items():
        place = inner.create_group(name)
        if "nodes" in node:
            _put_graph(place, node["nodes"], node["edges"])
            continue
        for field, value in node.items():
            place[field] = value
    group.create_dataset("edges", data=np.array(edges, object), dtype=h5py.string_dtype())


def row(shape: Sequence[int], *nodes: Mapping[str, Any]) -> tuple[dict[str, Any], Edges]:
    """Return nodes one after the other between an input and an output."""
    named: dict[str, Any] = {"input": {"type": "Input", "shape": list(shape)}}
    named |= {f"n{i}": node for i, node in enumerate(nodes)}
    named["output"] = {"type": "Output", "shape": [1]}
    names = list(named)
    return named, list(pairwise(names))


def affine(weight: Any, bias: Any = None) -> dict[str, Any]:
    weight = np.array(weight, np.float64)
    return {
        "type": "Affine",
        "weight": weight,
        "bias": np.zeros(len(weight)) if bias is None else np.array(bias, np.float64),
    }


def lif(count: int, **fields: Any) -> dict[str, Any]:
    """Return neurons that keep half at a step of 1e-4 s, as snnTorch writes them."""
    values = {"tau": 2e-4, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **fields}
    return {"type": "LIF", **{k: np.broadcast_to(v, count).copy() for k, v in values.items()}}


def read(path: Path, steps: int = 10, **options: Any) -> FloatNet:
    return float_net(path, ConvertOptions(steps=steps, **options))


def values_of(net: FloatNet, samples: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what each node's value is, ``(samples, steps, *shape)``."""
    steps = list(run_steps(net, samples))
    return {name: np.stack([values[name] for values in steps], 1) for name in steps[0]}


def neurons(net: FloatNet) -> dict[str, FloatNeurons]:
    return {node.name: node.op for node in net.nodes if isinstance(node.op, FloatNeurons)}
