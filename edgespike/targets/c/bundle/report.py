"""``report.json``: what a network takes and does, for programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import count
from edgespike.errors import EnvironmentMissingError, TargetRunError
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.targets.c.bundle.cores import core
from edgespike.targets.c.bundle.kernels import kernels_report
from edgespike.targets.c.bundle.measure import measured
from edgespike.targets.c.bundle.templates import template
from edgespike.targets.c.run import stored
from edgespike.targets.c.source import Written
from edgespike.targets.c.values import BYTES
from edgespike.targets.shared.bundles import labels
from edgespike.targets.shared.check_samples import CheckSamples
from edgespike.trace import observed_names

CORE = "m4"
"""The core whose compiler says what a network takes."""


def report(
    written: Written,
    checks: CheckSamples,
    compiled: int,
    sources: Path,
    samples: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """Return the report of a bundle.

    Parameters
    ----------
    written
        The network.
    checks
        All check samples.
    compiled
        How many of them are compiled in, the first ones.
    sources
        The folder with the network's source and header.
    samples
        The user's samples, whose events are counted; ``None`` if there are none.
    """
    graph = written.layout.graph
    op, answer = graph.readout_op, written.layout.values[graph.readout.name]
    source = written.layout.values[graph.input.name]
    return {
        "graph": {"name": graph.name, "sha256": graph.hash},
        "prefix": written.prefix,
        "steps": graph.steps,
        "input": {
            "type": source.c_type,
            "shape": _shape(graph, graph.input.name),
            "low": graph.input_op.low,
            "high": graph.input_op.high,
            "scale": graph.input_op.scale,
        },
        "answer": {
            "type": answer.c_type,
            "classes": op.classes,
            "members": op.members,
            "scale": op.scale.tolist(),
        },
        **labels(graph),
        "flash": {"constants": sum(written.flash.values()), "arrays": written.flash},
        "ram": written.memory,
        **_compiled(written, sources),
        **kernels_report(written.layout, samples),
        "check": {
            "samples": compiled,
            "coverage_of_all": checks.coverage,
            **_operations(graph, checks, compiled),
        },
        "observed": [_observed(graph, written, name) for name in observed_names(graph)],
    }


def _shape(graph: Graph, name: str) -> list[int]:
    """Return a node's shape in C, channels last."""
    channels, *positions = graph.tensors[name].shape
    return [*positions, channels]


def _observed(graph: Graph, written: Written, name: str) -> dict[str, Any]:
    """Describe where ``PREFIX_observed`` points for a layer."""
    value = stored(written, graph, name)
    return {
        "layer": name,
        "type": value.c_type,
        "shape": _shape(graph, name),
        "bytes": value.size * BYTES[value.c_type],
    }


def _compiled(written: Written, sources: Path) -> dict[str, Any]:
    """Return what a compiler says, or why none does."""
    try:
        found = measured(sources, written.prefix, core(CORE), template("string.h"))
    except (EnvironmentMissingError, TargetRunError) as error:
        return {"compiled": None, "not_compiled": str(error).splitlines()[0]}
    return {"compiled": asdict(found)}


def _operations(graph: Graph, checks: CheckSamples, compiled: int) -> dict[str, Any]:
    """Return the operations of the compiled samples, all together and layer by layer."""
    samples = checks.samples[:compiled]
    counts = count(graph, samples, interpret(graph, samples)).to_json()
    return {
        "synaptic_operations": counts["synaptic_operations"],
        "multiply_accumulates": counts["multiply_accumulates"],
        "layers": [
            {
                "layer": row["name"],
                "synaptic_operations": row["synaptic_operations"],
                "multiply_accumulates": row["multiply_accumulates"],
            }
            for row in counts["layers"]
            if np.any([*row["synaptic_operations"].values(), row["multiply_accumulates"]])
        ],
    }
