"""Writing the export folder: the model, and a bundle for each sort of device."""

from __future__ import annotations

from pathlib import Path

from edgespike.graph import Graph
from edgespike.targets.check_samples import check_samples
from edgespike.targets.tflite.lower import lower, lower_unrolled
from edgespike.targets.tflite.microcontroller import write_microcontroller
from edgespike.targets.tflite.plan import unrolls
from edgespike.targets.tflite.raspberry_pi import write_raspberry_pi


def write(graph: Graph, folder: Path) -> None:
    """Write ``model.tflite``, ``raspberry-pi/`` and ``microcontroller/`` into an empty folder.

    ``model_int4.tflite`` is written where that makes a smaller file, ``model_unrolled.tflite`` for
    a recurrent graph of few steps. The graph must have no
    :func:`edgespike.targets.tflite.check.violations`.
    """
    lowered = lower(graph)
    samples, expected = check_samples(graph)
    (folder / "model.tflite").write_bytes(lowered.content)
    in_int4 = lower(graph, four_bits=True).content
    if len(in_int4) < len(lowered.content):
        (folder / "model_int4.tflite").write_bytes(in_int4)
    if unrolls(graph):
        (folder / "model_unrolled.tflite").write_bytes(lower_unrolled(graph).content)
    for name in ("raspberry-pi", "microcontroller"):
        (folder / name).mkdir()
    write_raspberry_pi(graph, lowered, samples, expected, folder / "raspberry-pi")
    write_microcontroller(graph, lowered, samples, expected, folder / "microcontroller")
