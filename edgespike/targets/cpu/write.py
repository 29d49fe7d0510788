"""The cpu target's artefact: the graph file, a sample to check an installation with, a README."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgespike import __version__
from edgespike.graph import Graph, save_graph
from edgespike.storage.files import write_atomically
from edgespike.targets.shared.check_samples import SAMPLES, check_samples

_README = """\
# {name} for the cpu

Integers only; every result is exact. Written by edgespike {version}.

| File | Content |
|---|---|
| graph.safetensors | the graph, SHA-256 {hash} |
| sample_input.npy | {samples} random samples, integers {low}..{high} in units of {scale:g} |
| expected_output.npy | their accumulators, {classes} per sample; times the scale they are logits |

Check an installation, layer by layer:

    pip install .     # in the source folder of edgespike {version}
    edgespike verify graph.safetensors --targets cpu --input sample_input.npy

Run your own samples from Python:

    import edgespike, numpy

    graph = edgespike.load("graph.safetensors")
    samples = numpy.load("sample_input.npy")
    accumulators = edgespike.run(graph, samples).accumulators(graph)
    assert (accumulators == numpy.load("expected_output.npy")).all()

edgespike needs numpy only. With its extra `tflite`, graphs that are exact in int8 run several
times faster, with the same results.
"""


def write(graph: Graph, folder: Path) -> None:
    """Write the artefact's files into an existing empty folder."""
    samples, expected = check_samples(graph)
    save_graph(graph, folder / "graph.safetensors")
    np.save(folder / "sample_input.npy", samples)
    np.save(folder / "expected_output.npy", expected)
    write_atomically(folder / "README.md", _readme(graph).encode())


def _readme(graph: Graph) -> str:
    op = graph.input_op
    return _README.format(
        name=graph.name,
        version=__version__,
        hash=graph.hash,
        samples=SAMPLES,
        low=op.low,
        high=op.high,
        scale=op.scale,
        classes=graph.tensors[graph.readout.name].size,
    )
