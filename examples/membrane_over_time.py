"""Build a graph by hand: integrate-and-fire neurons over eight steps, on cpu and TFLite.

The same graph runs on Lava's simulator; add "loihi" to the targets where Lava is set up.
"""

from __future__ import annotations

import numpy as np

import edgespike
from edgespike.graph import Dense, Graph, Input, Membrane, Node, Readout, Reset

rng = np.random.default_rng(0)
graph = Graph(
    "integrate_and_fire",
    (
        Node("input", Input((16,), low=0, high=1, scale=1.0)),
        Node("dense", Dense(rng.integers(-20, 21, (8, 16)), np.zeros(8, int)), ("input",)),
        Node("neurons", Membrane(np.full(8, 30), decay=410, reset=Reset.SUBTRACT), ("dense",)),
        Node("output", Dense(rng.integers(-20, 21, (3, 8)), np.zeros(3, int)), ("neurons",)),
        Node("readout", Readout(np.ones(3)), ("output",)),
    ),
    steps=8,
)
# Rate coding by hand: each sample has spikes of its own at each of the eight steps.
samples = (rng.random((20, 8, 16)) < 0.3).astype(np.uint8)

certificate = edgespike.verify(graph, samples, targets=["cpu", "tflite"])
counts = edgespike.count(graph, samples)
print(f"equal in every step: {certificate.equal}")
for layer in counts.layers:
    print(f"{layer.name:8} synaptic operations by step: {layer.per_step()['synaptic_operations']}")
