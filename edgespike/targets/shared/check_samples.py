"""Samples that come with an artefact, to check an installation with."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Graph
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret

SAMPLES = 8
"""How many samples come with an artefact."""


def check_samples(graph: Graph) -> tuple[Integers, Integers]:
    """Draw samples over the whole input range, always the same, and compute their accumulators.

    Returns
    -------
    samples
        ``(samples, *shape)`` for one step; ``(samples, steps, *shape)``, with other values at each
        step, for several.
    expected
        The interpreter's accumulators, ``(samples, classes)``.
    """
    source = graph.input_op
    stepped = (graph.steps, *source.shape) if graph.steps > 1 else source.shape
    random = np.random.default_rng(0)
    samples = random.integers(source.low, source.high, (SAMPLES, *stepped), endpoint=True)
    return samples, interpret(graph, samples).accumulators(graph)
