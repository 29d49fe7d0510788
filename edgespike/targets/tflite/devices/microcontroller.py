"""The microcontroller bundle: a library for C and C++, a program that checks it, a Makefile."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.targets.shared.c_classes import classes_c, classes_h
from edgespike.targets.shared.c_labels import StoredInput, measured_c, measured_h
from edgespike.targets.shared.c_names import c_prefix
from edgespike.targets.shared.check_samples import CheckSamples
from edgespike.targets.tflite.devices.arena import find_arena
from edgespike.targets.tflite.devices.arrays import check_c, check_h, crc, model_c
from edgespike.targets.tflite.devices.bundle import fill
from edgespike.targets.tflite.devices.micro_readme import readme
from edgespike.targets.tflite.devices.network_files import input_type, network_cc, network_h
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.planning.plan import Plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.run import encode_input

COMMIT = "90b983c2b3f1480642e040bbd2ddb37b998f3424"
"""The commit of github.com/tensorflow/tflite-micro with which bundles were built and run."""

COMPILED_BYTES = 2**13
"""Flash for the samples that are compiled in: as many as fit, but at least two."""


def write_microcontroller(plan: Plan, lowered: Lowered, checks: CheckSamples, folder: Path) -> None:
    """Write the bundle into a folder that holds its model, ``model.tflite``.

    Raises
    ------
    TargetRunError
        TFLite Micro is installed, and its output is not the expected one.
    """
    graph, prefix = plan.graph, c_prefix(plan.graph.name)
    samples, answers = _compiled(graph, lowered, checks)
    arena = find_arena(lowered, samples, answers)
    library = {
        f"{prefix}.h": network_h(plan, lowered, prefix, arena),
        f"{prefix}.cc": network_cc(plan, lowered, prefix),
        f"{prefix}-model.c": model_c(prefix, lowered.content),
        f"{prefix}-classes.h": classes_h(graph, prefix),
        f"{prefix}-classes.c": classes_c(graph, prefix),
        **_measured(graph, lowered, prefix),
        f"{prefix}-check.h": check_h(graph.name, prefix, len(samples)),
        f"{prefix}-check.c": check_c(prefix, samples, answers),
    }
    files = {
        **{f"src/{name}": text for name, text in library.items()},
        "check/main.cc": fill(
            "main.cc",
            prefix=prefix,
            model_crc=crc(lowered.content),
            inputs_crc=crc(samples.tobytes()),
            answers_crc=crc(answers.tobytes()),
        ),
        "Makefile": fill("makefile", prefix=prefix, commit=COMMIT),
        "README.md": readme(plan, lowered, checks, len(samples), arena, COMMIT),
    }
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, "utf-8", newline="\n")


def _compiled(
    graph: Graph, lowered: Lowered, checks: CheckSamples
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the samples that are compiled in, and their answers, as they are stored."""
    stepped = checks.samples.reshape(-1, graph.steps, *graph.input_op.shape)
    each = stepped[0].size * lowered.input.form.dtype.itemsize
    compiled = slice(max(2, COMPILED_BYTES // each))
    answers = checks.expected[compiled].astype(lowered.outputs[lowered.answer].form.dtype)
    return encode_input(graph, lowered, stepped[compiled]), answers


def _measured(graph: Graph, lowered: Lowered, prefix: str) -> dict[str, str]:
    """Return the files that scale measured numbers, if the graph has a scaling."""
    if graph.scaling is None:
        return {}
    op, kind = graph.input_op, input_type(lowered)
    stored = StoredInput(kind, lowered.input.zero_point)
    if lowered.input.form is Form.FLOAT:
        stored = StoredInput(kind, unit=op.scale)
    return {
        f"{prefix}-measured.h": measured_h(prefix, math.prod(op.shape), stored),
        f"{prefix}-measured.c": measured_c(prefix, graph.scaling, op.low, op.high, stored),
    }
