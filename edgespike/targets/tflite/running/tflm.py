"""Run models on TFLite Micro, as a worker's script; needs numpy and tflite-micro.

This is the interpreter that runs on microcontrollers, compiled for this computer. See
:mod:`edgespike.workers.worker`; nothing of edgespike is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

_ALIGNMENT = 16
"""Arenas are multiples of it."""

_LEAST_ARENA = 1024
"""No interpreter fits into less."""


def handle(
    arrays: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a batch through a model, one sample at a time, and return one of the model's outputs.

    Parameters
    ----------
    arrays
        ``model``, the file's bytes, and ``batch``.
    parameters
        ``arena``, bytes of working memory that are enough, and ``carried``: for each state of a
        model that computes one step, its index among the outputs and its initial stored value; and
        ``answer``, the index of the output to return.

    Returns
    -------
    arrays
        ``output``: after the last step.
    answers
        ``arena``: the fewest bytes of working memory in which the model runs, as the batch did.
    """
    model = arrays["model"].tobytes()
    carried, answer = parameters["carried"], parameters["answer"]
    first = arrays["batch"][0]
    _load(model, parameters["arena"])  # or say why not
    arena = _smallest(lambda size: _run(_load(model, size), first, carried, answer), parameters)
    interpreter = _load(model, arena)
    rows = [_run(interpreter, sample, carried, answer) for sample in arrays["batch"]]
    return {"output": np.concatenate(rows)}, {"arena": arena}


def _smallest(run: Callable[[int], Any], parameters: Mapping[str, Any]) -> int:
    """Return the smallest arena in which a model runs, found by trial.

    What the interpreter reports to have used leaves out the memory in which it plans where tensors
    lie, without which it stops with "Too many buffers".
    """
    least, most = _LEAST_ARENA, int(parameters["arena"])
    while most - least > _ALIGNMENT:
        middle = (least + most) // 2 // _ALIGNMENT * _ALIGNMENT
        if _succeeds(run, middle):
            most = middle
        else:
            least = middle
    return most


def _succeeds(run: Callable[[int], Any], arena: int) -> bool:
    """Try in a child process: where memory is short, the interpreter may crash."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(arena)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _load(model: bytes, arena: int) -> Any:
    return import_module("tflite_micro").runtime.Interpreter.from_bytes(model, arena_size=arena)


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
