"""Write the artefact: the model, a runner, and samples to check both with."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.targets.onnx import onnx_runner
from edgespike.targets.onnx.limits import IR_VERSION, OPSET
from edgespike.targets.onnx.lower import lower
from edgespike.targets.onnx.numbers import as_markdown
from edgespike.targets.onnx.qonnx_form import qonnx_model, qonnx_violations
from edgespike.targets.onnx.walk import input_type, readout_storage
from edgespike.targets.shared.bundles import own_data, write_reader
from edgespike.targets.shared.check_samples import CheckSamples, check_samples

_STEPS = """
A sample has $steps steps, all of which the model takes at once: its operator `Scan` computes one
after the other and carries what neurons, delays and the answer keep from step to step. Each call
begins with new samples.
"""


_QONNX = """\
| model_qonnx.onnx | the same graph in QONNX, for FINN and hls4ml; it takes one sample, in float32 |
"""


def write(graph: Graph, folder: Path, samples: NDArray[Any] | None = None) -> None:
    """Write ``model.onnx``, its runner and check samples into an empty folder.

    ``model_qonnx.onnx`` is written as well if the graph has a QONNX form.

    The graph must have no :func:`edgespike.targets.onnx.check.violations`. The check samples are
    chosen among ``samples``, if given.

    Raises
    ------
    EnvironmentMissingError
        The package onnx is not installed.
    """
    checks = check_samples(graph, samples)
    (folder / "model.onnx").write_bytes(lower(graph).model.SerializeToString())
    if not list(qonnx_violations(graph)):
        (folder / "model_qonnx.onnx").write_bytes(qonnx_model(graph).SerializeToString())
    shutil.copyfile(onnx_runner.__file__, folder / "run.py")
    write_reader(folder)
    np.save(folder / "sample_input.npy", checks.samples)
    np.save(folder / "expected_output.npy", checks.expected)
    (folder / "README.md").write_text(_readme(graph, checks))


def remarks(graph: Graph) -> list[str]:
    """Say why there is no ``model_qonnx.onnx``, if there is none."""
    return [f"no model_qonnx.onnx: {line}" for line in qonnx_violations(graph)]


def _readme(graph: Graph, checks: CheckSamples) -> str:
    op, several = graph.input_op, graph.steps > 1
    axes = ("batch", *([graph.steps] if several else []), *op.shape)
    text = resources.files(__package__).joinpath("templates", "readme.txt").read_text("utf-8")
    return Template(text).substitute(
        name=graph.name,
        hash=graph.hash,
        opset=OPSET,
        ir=IR_VERSION,
        input_type=input_type(graph).name,
        answer_type=readout_storage(graph).dtype.name,
        axes=", ".join(map(str, axes)),
        low=op.low,
        high=op.high,
        scale=f"{op.scale:g}",
        classes=graph.tensors[graph.readout.name].size,
        steps=Template(_STEPS).substitute(steps=graph.steps) if several else "",
        samples=len(checks),
        coverage=checks.coverage,
        layers=as_markdown(graph),
        own_data=own_data(graph, "the model's metadata"),
        qonnx="" if list(qonnx_violations(graph)) else _QONNX,
    )
