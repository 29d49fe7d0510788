"""Running TFLite models on whichever runtime there is; needs numpy and nothing of edgespike.

It is used in this process with ai-edge-litert, and as a worker's script (see
:mod:`edgespike.targets.worker`) in an environment with tflite-runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def resize(interpreter: Any, shape: tuple[int, ...]) -> None:
    """Prepare an interpreter for inputs of a shape, which differs in the batch only."""
    (detail,) = interpreter.get_input_details()
    if tuple(detail["shape"]) != shape:
        interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()


def invoke(model: bytes, batch: Any, kernels: str) -> list[Any]:
    """Run one batch and give every output, in the model's order."""
    interpreter = make_interpreter(model, kernels)
    resize(interpreter, batch.shape)
    (detail,) = interpreter.get_input_details()
    interpreter.set_tensor(detail["index"], batch)
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
        ``models``, the names, and ``kernels``.

    Returns
    -------
    arrays
        Output ``i`` of a model under ``"name i"``.
    answers
        Nothing.
    """
    batch = np.ascontiguousarray(arrays["batch"])
    outputs = {
        f"{name} {index}": output
        for name in parameters["models"]
        for index, output in enumerate(invoke(arrays[name].tobytes(), batch, parameters["kernels"]))
    }
    return outputs, {}
