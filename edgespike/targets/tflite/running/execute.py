"""Run TFLite models on whichever runtime is installed; needs numpy and nothing of edgespike.

It is used in this process with ai-edge-litert, and as a worker's script (see
:mod:`edgespike.workers.worker`) in an environment with tflite-runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np

DEFAULT_KERNELS = "default"
"""XNNPACK where it can, the runtime's own elsewhere."""

REFERENCE_KERNELS = "reference"
"""The plain ones that the runtime's authors compare the others with."""


def make_interpreter(model: bytes, kernels: str) -> Any:
    """Load a model into the interpreter of ai-edge-litert or else tflite-runtime, on one thread."""
    try:
        runtime = import_module("ai_edge_litert.interpreter")
    except ImportError:
        runtime = import_module("tflite_runtime.interpreter")
    resolver = runtime.OpResolverType
    return runtime.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=(
            resolver.BUILTIN_REF if kernels == REFERENCE_KERNELS else resolver.AUTO
        ),
    )


def resize(interpreter: Any, batch: int) -> None:
    """Prepare an interpreter for inputs of a number of samples."""
    for detail in interpreter.get_input_details():
        if detail["shape"][0] != batch:
            interpreter.resize_tensor_input(detail["index"], (batch, *detail["shape"][1:]))
    interpreter.allocate_tensors()


class LoadedModel:
    """A model that runs any number of batches, from one thread at a time.

    The interpreter is kept for the next batch of the same size; nothing else is: states start
    every batch at their initial values.

    Parameters
    ----------
    content
        The file's bytes.
    kernels
        :data:`DEFAULT_KERNELS` or :data:`REFERENCE_KERNELS`.
    carried
        Of each state of a model that computes one step, in the order of the inputs that follow
        the first: its index among the outputs, and the number that fills it before the first step.
        Empty for a model that takes all steps at once.
    """

    def __init__(self, content: bytes, kernels: str, carried: Sequence[Any] = ()) -> None:
        self._content = content
        self._kernels = kernels
        self._carried = carried
        self._interpreter: Any = None
        self._size = 0
        self._lock = Lock()

    def run(self, batch: Any) -> list[Any]:
        """Run one batch and return every output, in the model's order.

        Parameters
        ----------
        batch
            ``(samples, ...)``, or ``(samples, steps, ...)`` if states are carried; the outputs
            then are ``(samples, steps, ...)`` too.
        """
        with self._lock:
            if len(batch) != self._size:
                self._interpreter = make_interpreter(self._content, self._kernels)
                resize(self._interpreter, len(batch))
                self._size = len(batch)
            if not self._carried:
                return self._invoke(np.ascontiguousarray(batch), [])
            return self._run_steps(batch)

    def _run_steps(self, batch: Any) -> list[Any]:
        _, *details = self._interpreter.get_input_details()
        states = [
            np.full(detail["shape"], self._carried[index][1], detail["dtype"])
            for index, detail in enumerate(details)
        ]
        rows = []
        for step in range(batch.shape[1]):
            rows.append(self._invoke(np.ascontiguousarray(batch[:, step]), states))
            states = [rows[-1][index] for index, _ in self._carried]
        return [np.stack([row[index] for row in rows], axis=1) for index in range(len(rows[0]))]

    def _invoke(self, x: Any, states: Sequence[Any]) -> list[Any]:
        interpreter = self._interpreter
        values = [x, *states]
        for index, detail in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(detail["index"], values[index])
        interpreter.invoke()
        return [
            interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()
        ]


def handle(
    arrays: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a batch through a model, as a worker does.

    Parameters
    ----------
    arrays
        ``batch``, and ``model``, the file's bytes.
    parameters
        ``kernels`` and ``carried``, as :class:`LoadedModel` takes them.

    Returns
    -------
    arrays
        Each output under its index.
    answers
        Nothing.
    """
    model = LoadedModel(arrays["model"].tobytes(), parameters["kernels"], parameters["carried"])
    return {str(index): output for index, output in enumerate(model.run(arrays["batch"]))}, {}
