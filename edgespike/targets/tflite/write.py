"""Write the artefact: the models, and a bundle for each kind of device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.storage.checksums import write_checksums
from edgespike.targets.shared.check_samples import check_samples
from edgespike.targets.tflite.devices.microcontroller import write_microcontroller
from edgespike.targets.tflite.devices.raspberry_pi import write_raspberry_pi
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.writing.exported import exported


def write(graph: Graph, folder: Path, samples: NDArray[Any] | None = None) -> None:
    """Write ``model.tflite``, ``raspberry-pi/`` and ``microcontroller/`` into an empty folder.

    The other models are written too, see
    :func:`edgespike.targets.tflite.writing.exported.exported`. The graph must have no
    :func:`edgespike.targets.tflite.check.violations`. The bundles' check samples are chosen among
    ``samples``, if given.
    """
    checks = check_samples(graph, samples)
    plan = make_plan(graph)
    models = exported(plan)
    for name, lowered in models.items():
        (folder / f"{name}.tflite").write_bytes(lowered.content)
    lowered = models["model"]
    for name in ("raspberry-pi", "microcontroller"):
        (folder / name).mkdir()
    write_raspberry_pi(plan, lowered, checks, folder / "raspberry-pi")
    write_microcontroller(plan, lowered, checks, folder / "microcontroller")
    # Each bundle is copied to its device without the rest.
    for name in ("raspberry-pi", "microcontroller"):
        write_checksums(folder / name)
