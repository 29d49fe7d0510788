"""The samples that are compiled in, and the program that runs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.targets.c.bundle.templates import fill
from edgespike.targets.c.program import literal
from edgespike.trace import predictions

_COLUMNS = 24


def compiled_samples(graph: Graph, samples: NDArray[Any]) -> NDArray[np.int64]:
    """Return samples as they are compiled in, ``(samples, numbers)``, channels last."""
    stepped = samples.reshape(len(samples), graph.steps, *graph.input_op.shape)
    return np.moveaxis(stepped, 2, -1).reshape(len(samples), -1).astype(np.int64)


def check_h(graph: Graph, prefix: str, count: int) -> str:
    """Declare samples and their answers."""
    classes = (
        f"extern const uint32_t {prefix}_check_classes[{prefix}_CHECK_SAMPLES];\n"
        if graph.readout_op.members == 1
        else ""
    )
    return fill("check.h", name=graph.name, prefix=prefix, samples=count, classes=classes)


def check_c(graph: Graph, prefix: str, samples: NDArray[Any], answers: NDArray[np.int64]) -> str:
    """Define what :func:`check_h` declares, and the function that compares."""
    classes = ""
    if graph.readout_op.members == 1:
        found = "".join(_rows(predictions(graph, answers).tolist()))
        declared = f"const uint32_t {prefix}_check_classes[{prefix}_CHECK_SAMPLES]"
        classes = f"\n{declared} = {{\n{found}}};\n"
    return fill(
        "check.c",
        prefix=prefix,
        inputs=_blocks(compiled_samples(graph, samples)),
        answers=_blocks(answers),
        classes=classes,
    )


def main_c(graph: Graph, prefix: str) -> str:
    """Return the program that runs the samples."""
    classes = fill("main_classes", prefix=prefix) if graph.readout_op.members == 1 else ""
    return fill("main.c", prefix=prefix, classes=classes)


def _blocks(rows: NDArray[np.int64]) -> str:
    return "".join(f"{{\n{''.join(_rows(row))}}},\n" for row in rows.tolist())


def _rows(numbers: list[int]) -> Iterable[str]:
    for start in range(0, len(numbers), _COLUMNS):
        yield f"{', '.join(map(literal, numbers[start : start + _COLUMNS]))},\n"
