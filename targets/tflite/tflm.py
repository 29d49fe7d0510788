"""Running models on TFLite Micro, as a worker's script; needs numpy and tflite-micro.

It is the interpreter that runs on microcontrollers, compiled for this computer. See
:mod:`edgespike.targets.worker`; nothing of edgespike is used here.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np


def handle(
    arrays: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run ``batch``, one sample at a time, through a ``model``.

    Parameters
    ----------
    arrays
        ``model``, the file's bytes, and ``batch``.
    parameters
        ``arena``, bytes of working memory to offer, and ``outputs``, how many the model has.

    Returns
    -------
    arrays
        Output ``i`` under ``"model i"``.
    answers
        ``arena``: bytes of working memory that the model took.
    """
    runtime = import_module("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(
        arrays["model"].tobytes(), arena_size=parameters["arena"]
    )
    rows: list[list[Any]] = [[] for _ in range(parameters["outputs"])]
    for sample in arrays["batch"]:
        interpreter.set_input(sample[None], 0)
        interpreter.invoke()
        for index, row in enumerate(rows):
            row.append(interpreter.get_output(index).copy())
    outputs = {f"model {index}": np.concatenate(row) for index, row in enumerate(rows)}
    return outputs, {"arena": _arena(interpreter)}


def _arena(interpreter: Any) -> int:
    """Read the size from the report that the interpreter prints on standard error."""
    with tempfile.TemporaryFile() as report:
        kept = os.dup(2)
        os.dup2(report.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        report.seek(0)
        text = report.read().decode(errors="replace")
    found = re.search(r"Arena allocation total (\d+) bytes", text)
    if found is None:
        raise RuntimeError(f"TFLite Micro reports no arena size: {text[:200]!r}")
    return int(found[1])
