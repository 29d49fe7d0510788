"""Graphs with names of classes and a scaling, measured numbers for them, and what they become."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Dense, Graph, Input, Node, Readout, Reshape, Scaling, Threshold
from edgespike.interpreter import interpret
from edgespike.trace import predictions
from tests.example_graphs import weights
from tests.targets.tflite.networks import NETWORKS, Chain

NAMES = ('été "x" \\n ??= %d', "日本 3", "a, b*/", "'q' \\", "$x {y}", "\U0001f600", "7")
"""Names that a C compiler, a template or a terminal could misunderstand."""


def labelled(graph: Graph, scaling: Scaling | None) -> Graph:
    classes = graph.readout_op.classes
    names = [*NAMES, *(f"class {n}" for n in range(classes))][:classes]
    return replace(graph, class_names=tuple(names), scaling=scaling)


def signed_graph() -> Graph:
    """Return a net of signed measurements: 5 features, each with a scaling of its own."""
    theta = np.array([[-40, 3, 90]] * 6)
    nodes = (
        Node("input", Input((5,), -127, 127, 0.04)),
        Node("dense1", Dense(weights(1, 6, 5), weights(2, 6)), ("input",)),
        Node("threshold1", Threshold(theta, np.zeros(6, bool)), ("dense1",)),
        Node("dense2", Dense(weights(3, 7, 6), weights(4, 7)), ("threshold1",)),
        Node("out", Readout(np.ones(7)), ("dense2",)),
    )
    scaling = Scaling((0.1, -3.7, 1e6, 2**-30, 0.0), (0.1, 1 / 3, 17.25, 3e-9, 1e-3))
    return labelled(Graph("2-signed.x", nodes), scaling)


def grey_graph() -> Graph:
    """Return a net of grey images of 4 x 4 pixels, which has names and no scaling."""
    chain = Chain((1, 4, 4), high=255).conv(6, 1, 3, 3).threshold(6).add(Reshape((24,)))
    return labelled(chain.finish(24), None)


def image_graph() -> Graph:
    """Return a net of images of 2 channels, with a scaling for each, whose input is bytes."""
    return labelled(NETWORKS["graded input in int8"](), Scaling((0.3, -1.1), (0.1, 0.7)))


def float_image_graph() -> Graph:
    """Return one that TFLite runs in float32."""
    return labelled(NETWORKS["graded input in float32"](), Scaling((0.3,), (0.1,)))


def sequence_graph() -> Graph:
    """Return a recurrent net of 5 steps of 3 features, with one scaling for all."""
    return labelled(NETWORKS["recurrent layer of 7 levels"](), Scaling((20.5,), (0.3,)))


def video_graph() -> Graph:
    """Return a recurrent net of 5 images of 2 channels."""
    scaling = Scaling((-2.0, 7.5), (1.1, 0.3))
    return labelled(NETWORKS["flattened image beside a state"](), scaling)


def at_once_graph() -> Graph:
    """Return a net of membranes that TFLite runs on all 4 steps at once."""
    scaling = Scaling((1.0, 2.0, 3.0, 4.0, 5.0), (0.1, 0.2, 0.3, 0.4, 0.5))
    return labelled(NETWORKS["currents of channels, loop False"](), scaling)


GRAPHS = {
    "signed": signed_graph,
    "image": image_graph,
    "image in float32": float_image_graph,
    "sequence": sequence_graph,
    "video": video_graph,
    "steps at once": at_once_graph,
}


def measured_for(graph: Graph, count: int = 40) -> NDArray[np.float64]:
    """Return measured numbers: random ones, ones near ties, huge and tiny ones.

    ``(samples, *shape)``, or ``(samples, steps, *shape)`` of several steps.
    """
    scaling, op = graph.scaling, graph.input_op
    assert scaling is not None
    rng = np.random.default_rng(7)
    shape = (count, *([graph.steps] if graph.steps > 1 else []), *op.shape)
    axes = (-1, *[1] * (len(op.shape) - 1))
    offset, step = np.reshape(scaling.offset, axes), np.reshape(scaling.step, axes)
    whole = rng.integers(op.low - 3, op.high + 4, shape)
    ties = (whole + 0.5) * step + offset
    kinds = [
        rng.uniform(op.low - 3, op.high + 3, shape) * step + offset,
        ties,
        np.nextafter(ties, -np.inf),
        np.nextafter(ties, np.inf),
        rng.choice([1e308, -1e308, 1.7e308, -1.7e308, 5e-324, -5e-324, 0.0, -0.0], shape),
    ]
    return np.asarray(np.choose(rng.choice(5, shape, p=[0.3, 0.2, 0.2, 0.2, 0.1]), kinds))


def in_units(graph: Graph, measured: NDArray[Any]) -> NDArray[np.int64]:
    scaling, op = graph.scaling, graph.input_op
    assert scaling is not None
    return scaling.apply(measured, op.shape, op.low, op.high)


def classes(graph: Graph, measured: NDArray[Any]) -> list[int]:
    """Return the classes that the definition gives measured numbers."""
    run = interpret(graph, in_units(graph, measured))
    return [int(number) for number in predictions(graph, run.accumulators(graph))]


def exactly(value: float, offset: float, step: float, low: int, high: int) -> int:
    """Return the whole number of a measured one, with every operation rounded as IEEE 754 says.

    Python's fractions are exact; ``float`` rounds them to the nearest double.
    """
    difference = float(Fraction(value) - Fraction(offset))
    quotient = float(Fraction(difference) / Fraction(step))
    raised = float(Fraction(quotient) + Fraction(1, 2))
    return min(max(floor(Fraction(raised)), low), high)
