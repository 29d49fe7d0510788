"""Running TFLite models on whichever runtime there is; needs numpy and nothing of edgespike.

It is used in this process with ai-edge-litert, and as a worker's script (see
:mod:`edgespike.targets.shared.worker`) in an environment with tflite-runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

DEFAULT = "default"
"""Kernels: XNNPACK where it can, the runtime's own elsewhere."""

REFERENCE = "reference"
"""Kernels: the plain ones that the runtime's authors compare the others with."""


def make_interpreter(model: bytes, kernels: str) -> Any:
    """Load a model into ai-edge-litert's or else tflite-runtime's interpreter, on one thread."""
    try:
        runtime = import_module("ai_edge_litert.interpreter")
    except ImportError:
        runtime = import_module("tflite_runtime.interpreter")
    resolver = runtime.OpResolverType
    return runtime.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=(
            resolver.BUILTIN_REF if kernels == REFERENCE else resolver.AUTO
        ),
    )


def resize(interpreter: Any, batch: int) -> None:
    """Prepare an interpreter for inputs of a number of samples."""
    for detail in interpreter.get_input_details():
        if detail["shape"][0] != batch:
            interpreter.resize_tensor_input(detail["index"], (batch, *detail["shape"][1:]))
    interpreter.allocate_tensors()


def invoke(model: bytes, batch: Any, kernels: str) -> list[Any]:
    """Run one batch and give every output, in the model's order."""
    interpreter = make_interpreter(model, kernels)
    resize(interpreter, len(batch))
    (detail,) = interpreter.get_input_details()
    interpreter.set_tensor(detail["index"], batch)
    return _outputs(interpreter)


def invoke_steps(model: bytes, batch: Any, kernels: str, carried: Sequence[Any]) -> list[Any]:
    """Run a model of one step over the steps of a batch, which is ``(samples, steps, ...)``.

    Parameters
    ----------
    model, batch, kernels
        As for :func:`invoke`.
    carried
        Of each state, in the order of the model's inputs behind the first: its place among the
        outputs, and the number that it is filled with before the first step.

    Returns
    -------
    outputs
        Every output, in the model's order, ``(samples, steps, ...)``.
    """
    interpreter = make_interpreter(model, kernels)
    resize(interpreter, len(batch))
    source, *states = interpreter.get_input_details()
    places = [place for place, _ in carried]
    values = [
        np.full(state["shape"], carried[index][1], state["dtype"])
        for index, state in enumerate(states)
    ]
    rows = []
    for step in range(batch.shape[1]):
        interpreter.set_tensor(source["index"], np.ascontiguousarray(batch[:, step]))
        for index, state in enumerate(states):
            interpreter.set_tensor(state["index"], values[index])
        rows.append(_outputs(interpreter))
        values = [rows[-1][place] for place in places]
    return [np.stack([row[place] for row in rows], axis=1) for place in range(len(rows[0]))]


def _outputs(interpreter: Any) -> list[Any]:
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def handle(
    arrays: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a batch through several models, as a worker does.

    Parameters
    ----------
    arrays
        ``batch``, and each model's bytes by its name.
    parameters
        ``models``, the names, ``kernels``, and ``carried`` as :func:`invoke_steps` takes it,
        empty for models that take all steps at once.

    Returns
    -------
    arrays
        Output ``i`` of a model under ``"name i"``.
    answers
        Nothing.
    """
    batch = np.ascontiguousarray(arrays["batch"])
    kernels, carried = parameters["kernels"], parameters["carried"]
    outputs = {}
    for name in parameters["models"]:
        model = arrays[name].tobytes()
        if carried:
            found = invoke_steps(model, batch, kernels, carried)
        else:
            found = invoke(model, batch, kernels)
        outputs.update({f"{name} {index}": output for index, output in enumerate(found)})
    return outputs, {}
