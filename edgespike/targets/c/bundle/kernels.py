"""Kernels in the report: which a layer has and why, and what each would take for samples."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.batches import tally_all
from edgespike.counting import Tally
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.targets.base import TracingRunner
from edgespike.targets.c.amounts import event_shares
from edgespike.targets.c.instructions import instructions
from edgespike.targets.c.layers import Kernel, kernels_of
from edgespike.targets.c.layout import Layout
from edgespike.targets.c.numbers import numbers_of

MOST_SAMPLES = 64
"""How many of the given samples are run, evenly spaced among them."""


def kernels_report(layout: Layout, samples: NDArray[Any] | None = None) -> dict[str, Any]:
    """Return the report's rows of weighted layers, and what was measured on samples.

    Parameters
    ----------
    layout
        How the graph is computed.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them; ``None`` if none were given: then
        the rows have neither rates of events nor instructions.
    """
    graph = layout.graph
    rows = [
        {
            **asdict(row),
            "kernel": layout.kernels[row.layer].name,
            "kernels_that_fit": [each.name for each in _fitting(layout, row.layer)],
        }
        for row in numbers_of(layout)
    ]
    if samples is None:
        return {"layers": rows}
    tally = _tally(graph, samples)
    shares = event_shares(graph, tally.events, tally.samples)
    for row in rows:
        name = row["layer"]
        row["event_rate"] = round(float(shares[layout.layers[name].root.name].mean()), 6)
        row["instructions"] = {
            kernel.name: _instructions(layout, tally, name, kernel)
            for kernel in _fitting(layout, name)
        }
    return {"layers": rows, "event_samples": tally.samples}


def _fitting(layout: Layout, name: str) -> list[Kernel]:
    return kernels_of(layout.graph, layout.layers[name])


def _tally(graph: Graph, samples: NDArray[Any]) -> Tally:
    given = as_samples(graph, samples)
    chosen = np.unique(np.linspace(0, len(given) - 1, MOST_SAMPLES).round().astype(int))
    runner = TracingRunner(graph, "interpreter", lambda batch: interpret(graph, batch))
    return tally_all(runner, given[chosen], "interpreter")


def _instructions(layout: Layout, tally: Tally, name: str, kernel: Kernel) -> dict[str, int]:
    """Return a sample's instructions of the whole network on each core, in the mean.

    The others of its layers keep their kernels. What a layer reads is kept for its kernel, so that
    the layer before it is part of the difference.
    """
    forced = {**layout.kernels, name: kernel}
    found = instructions(layout.graph, tally.events, tally.samples, forced)
    return {core: round(each.typical) for core, each in found.items()}
