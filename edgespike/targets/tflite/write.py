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
from edgespike.targets.tflite.writing.exported import (
    INT2_MODEL,
    INT4_MODEL,
    MICRO_MODEL,
    PI_MODEL,
    UNROLLED_MODEL,
    exported,
    for_micro,
)


def write(graph: Graph, folder: Path, samples: NDArray[Any] | None = None) -> None:
    """Write ``raspberry-pi/`` and ``microcontroller/`` into an empty folder, each with its model.

    :func:`edgespike.targets.tflite.writing.exported.exported` says which models there are. The
    graph must have no :func:`edgespike.targets.tflite.check.violations`. The bundles' check samples
    are chosen among ``samples``, if given.
    """
    checks = check_samples(graph, samples)
    plan = make_plan(graph)
    micro_plan = for_micro(plan)
    models = exported(plan, micro_plan)
    for place, lowered in models.items():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(lowered.content)
    others = [
        Path(place).name for place in (INT4_MODEL, INT2_MODEL, UNROLLED_MODEL) if place in models
    ]
    pi, micro = (folder / place for place in (PI_MODEL, MICRO_MODEL))
    write_raspberry_pi(plan, models[PI_MODEL], checks, pi.parent, others)
    write_microcontroller(micro_plan, models[MICRO_MODEL], checks, micro.parent)
    # Each bundle is copied to its device without the rest.
    for bundle in (pi.parent, micro.parent):
        write_checksums(bundle)
