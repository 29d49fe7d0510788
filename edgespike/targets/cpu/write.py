"""The cpu target's artefact: the graph file, a sample to check an installation with, a README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike import __version__
from edgespike.graph import Graph, save_graph
from edgespike.storage.files import write_atomically
from edgespike.targets.shared.check_samples import CheckSamples, check_samples

_README = """\
# {name} for the cpu

Integers only; every result is exact. Written by edgespike {version}.

| File | Content |
|---|---|
| graph.safetensors | the graph, SHA-256 {hash} |
| sample_input.npy | {samples} samples, integers {low}..{high} in units of {scale:g} |
| expected_output.npy | their accumulators, {classes} per sample; times the scale they are logits |
| SHA256SUMS | the hash of each file |

The graph file is refused if it was damaged; for the other files, run `sha256sum -c SHA256SUMS`. The
samples were chosen to come close to many thresholds: {coverage}.

Check an installation, layer by layer:

    pip install .     # in the source folder of edgespike {version}
    edgespike verify graph.safetensors --targets cpu --input sample_input.npy

Run your own samples from Python:

    import edgespike, numpy

    graph = edgespike.load("graph.safetensors")
    samples = numpy.load("sample_input.npy")
    accumulators = edgespike.run(graph, samples).accumulators(graph)
    assert (accumulators == numpy.load("expected_output.npy")).all()
{own_data}
edgespike needs numpy only. With its extra `tflite`, graphs that are exact in int8 run several
times faster, with the same results.
"""

_SCALED = """
The graph is meant for measured numbers; it has their scaling, which makes whole numbers of them:

    op = graph.input_op
    samples = graph.scaling.apply(measured, op.shape, op.low, op.high)
"""

_NAMED = """
The names of the classes are in the graph:

    from edgespike.trace import predictions

    for number in predictions(graph, accumulators):
        print(graph.class_names[number])
"""


def write(graph: Graph, folder: Path, samples: NDArray[Any] | None = None) -> None:
    """Write the artefact's files into an existing empty folder.

    The samples that check it are chosen from ``samples``, if given.
    """
    checks = check_samples(graph, samples)
    save_graph(graph, folder / "graph.safetensors")
    np.save(folder / "sample_input.npy", checks.samples)
    np.save(folder / "expected_output.npy", checks.expected)
    write_atomically(folder / "README.md", _readme(graph, checks).encode())


def _readme(graph: Graph, checks: CheckSamples) -> str:
    op = graph.input_op
    return _README.format(
        name=graph.name,
        version=__version__,
        hash=graph.hash,
        samples=len(checks),
        coverage=checks.coverage,
        low=op.low,
        high=op.high,
        scale=op.scale,
        classes=graph.tensors[graph.readout.name].size,
        own_data=(_SCALED if graph.scaling else "") + (_NAMED if graph.class_names else ""),
    )
