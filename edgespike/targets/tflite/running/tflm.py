"""Run models on TFLite Micro, as a worker's script; needs numpy and tflite-micro.

This is the interpreter that runs on microcontrollers, compiled for this computer. See
:mod:`edgespike.workers.worker`; nothing of edgespike is imported here.
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
    """Run a batch through a model, one sample at a time, and return one of the model's outputs.

    Parameters
    ----------
    arrays
        ``model``, the file's bytes, and ``batch``.
    parameters
        ``arena``, bytes of working memory to provide, and ``carried``: for each state of a model
        that computes one step, its index among the outputs and its initial stored value; and
        ``answer``, the index of the output to return.

    Returns
    -------
    arrays
        ``output``: after the last step.
    answers
        ``arena``: bytes of working memory that the model used.
    """
    runtime = import_module("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(
        arrays["model"].tobytes(), arena_size=parameters["arena"]
    )
    carried, answer = parameters["carried"], parameters["answer"]
    rows = [_run(interpreter, sample, carried, answer) for sample in arrays["batch"]]
    return {"output": np.concatenate(rows)}, {"arena": _arena(interpreter)}


def _run(interpreter: Any, sample: Any, carried: Any, answer: int) -> Any:
    """Run all steps of a sample, one after the other if states are carried."""
    states = []
    for index, (_, initial) in enumerate(carried, start=1):
        detail = interpreter.get_input_details(index)
        states.append(np.full(detail["shape"], initial, detail["dtype"]))
    for step in sample if carried else sample[None]:
        interpreter.set_input(step[None], 0)
        for index, state in enumerate(states, start=1):
            interpreter.set_input(state, index)
        interpreter.invoke()
        states = [interpreter.get_output(output).copy() for output, _ in carried]
    return interpreter.get_output(answer).copy()


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
        raise RuntimeError(f"TFLite Micro did not report an arena size: {text[:200]!r}")
    return int(found[1])
