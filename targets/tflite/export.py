"""Writing the export folder: the model, and a bundle for each sort of device."""

from __future__ import annotations

from pathlib import Path

from edgespike.graph import Graph
from edgespike.targets.check_samples import check_samples
from edgespike.targets.tflite.exported import exported
from edgespike.targets.tflite.microcontroller import write_microcontroller
from edgespike.targets.tflite.raspberry_pi import write_raspberry_pi


def write(graph: Graph, folder: Path) -> None:
    """Write ``model.tflite``, ``raspberry-pi/`` and ``microcontroller/`` into an empty folder.

    Beside the model stand its other forms, see :func:`edgespike.targets.tflite.exported.exported`.
    The graph must have no :func:`edgespike.targets.tflite.check.violations`.
    """
    samples, expected = check_samples(graph)
    models = exported(graph)
    for name, lowered in models.items():
        (folder / f"{name}.tflite").write_bytes(lowered.content)
    lowered = models["model"]
    for name in ("raspberry-pi", "microcontroller"):
        (folder / name).mkdir()
    write_raspberry_pi(graph, lowered, samples, expected, folder / "raspberry-pi")
    write_microcontroller(graph, lowered, samples, expected, folder / "microcontroller")
