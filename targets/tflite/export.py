"""Writing the export folder: the model, and a bundle for each sort of device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgespike.graph import Graph
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret
from edgespike.targets.tflite.bundle import network_ends
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.microcontroller import write_microcontroller
from edgespike.targets.tflite.raspberry_pi import write_raspberry_pi

SAMPLES = 8
"""Samples in the Raspberry Pi bundle; the microcontroller gets the first of them."""


def write(graph: Graph, folder: Path) -> None:
    """Write ``model.tflite``, ``raspberry-pi/`` and ``microcontroller/`` into an empty folder.

    The graph must have no :func:`edgespike.targets.tflite.plan.violations`.
    """
    lowered = lower(graph)
    samples = check_samples(graph)
    expected = interpret(graph, samples).accumulators(graph)
    (folder / "model.tflite").write_bytes(lowered.content)
    for name in ("raspberry-pi", "microcontroller"):
        (folder / name).mkdir()
    write_raspberry_pi(graph, lowered.content, samples, expected, folder / "raspberry-pi")
    write_microcontroller(graph, lowered, samples, expected, folder / "microcontroller")


def check_samples(graph: Graph) -> Integers:
    """Draw samples over the whole input range, a value of its own at each step; always the same."""
    source, _ = network_ends(graph)
    stepped = (graph.steps, *source.shape) if graph.steps > 1 else source.shape
    random = np.random.default_rng(0)
    return random.integers(source.low, source.high, (SAMPLES, *stepped), endpoint=True)
