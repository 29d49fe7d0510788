"""Samples that an artefact holds so that an installation can be checked with them."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Graph
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret

SAMPLES = 8
"""How many: enough to check an installation."""


def check_samples(graph: Graph) -> tuple[Integers, Integers]:
    """Draw samples over the whole input range, always the same, and compute what they must give.

    Returns
    -------
    samples
        ``(samples, *shape)``, or ``(samples, steps, *shape)`` with a value of its own at each of
        several steps.
    expected
        The interpreter's accumulators, ``(samples, classes)``.
    """
    source = graph.input_op
    stepped = (graph.steps, *source.shape) if graph.steps > 1 else source.shape
    random = np.random.default_rng(0)
    samples = random.integers(source.low, source.high, (SAMPLES, *stepped), endpoint=True)
    return samples, interpret(graph, samples).accumulators(graph)
