"""A NIR file of a small recurrent net, as snnTorch writes it: its graph, its run, and back to NIR.

Needs h5py: the extra "hdf5".
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import edgespike
from edgespike.converters.nir.write import write_nir
from edgespike.graph import Delay

STEPS = 25
rng = np.random.default_rng(0)


def neurons(count: int) -> dict[str, Any]:
    """Return leaky neurons with beta 0.5, as snnTorch writes them: dt is 1e-4 s."""
    values = {"tau": 2e-4, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    return {"type": "LIF", **{name: np.full(count, value) for name, value in values.items()}}


def layer(outputs: int, inputs: int) -> dict[str, Any]:
    weight = rng.integers(-6, 9, (outputs, inputs)) / 16
    return {"type": "Affine", "weight": weight, "bias": np.zeros(outputs)}


nodes: dict[str, dict[str, Any]] = {
    "input": {"type": "Input", "shape": [12]},
    "0": layer(16, 12),
    "1.lif": neurons(16),
    "1.w_rec": layer(16, 16),
    "2": layer(4, 16),
    "3": neurons(4),
    "output": {"type": "Output", "shape": [4]},
}
edges = [
    *(("input", "0"), ("0", "1.lif"), ("1.lif", "1.w_rec"), ("1.w_rec", "1.lif")),
    *(("1.lif", "2"), ("2", "3"), ("3", "output")),
]

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.nir"
    with h5py.File(path, "w") as file:
        file["version"], file["node/type"] = "1.0.8", "NIRGraph"
        file.create_dataset("node/edges", data=np.array(edges, object), dtype=h5py.string_dtype())
        for name, node in nodes.items():
            for field, value in node.items():
                file[f"node/nodes/{name}/{field}"] = value

    # The file says neither dt nor the reset: its numbers show that snnTorch wrote it, with
    # dt = 1e-4, and the net is said to have been trained with snnTorch's default reset.
    graph = edgespike.convert(path, steps=STEPS, reset="subtract", input_range=(0, 1))
    samples = rng.integers(0, 2, (100, STEPS, 12))
    counts = edgespike.run(graph, samples).accumulators(graph)
    certificate = edgespike.verify(graph, samples, targets=["cpu"])

    # Other simulators reset otherwise, so the graph goes into a file with its metadata alone.
    lost = write_nir(graph, Path(folder) / "again.nir", metadata=True)
    same = edgespike.load(Path(folder) / "again.nir").hash == graph.hash

delays = [node.name for node, _ in graph.of_type(Delay)]
print(f"{len(graph.nodes)} nodes; the loop waits at {', '.join(delays)}")
print(f"spikes of the last layer in {len(samples)} samples: {counts.sum()}")
print(f"cpu equals the definition, bit for bit: {certificate.equal}")
print(f"written to NIR with metadata and read again, the same graph: {same}; NIR alone would lose:")
print("\n".join(lost))
