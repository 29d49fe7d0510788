"""Run a TFLite file on a runtime, as a worker's script; needs numpy and that runtime.

Runtimes abort the process on some files. Nothing of edgespike is imported here, see
:mod:`edgespike.workers.worker`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

ARENAS = tuple(2**bits for bits in (20, 23, 26, 29))
"""Bytes of working memory that TFLite Micro is given, until they suffice."""


def handle(
    arrays: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run samples through a model, one at a time.

    Parameters
    ----------
    arrays
        ``model``, the file's bytes, and ``batch``, ``(samples, *input shape)``.
    parameters
        ``runtime``, one of the names in `LITERT` or "tflm", and ``outputs``, how many outputs the
        model has.

    Returns
    -------
    arrays
        Each output under its place among the outputs, ``(samples, ...)``.
    answers
        Nothing.
    """
    model, batch, count = arrays["model"].tobytes(), arrays["batch"], parameters["outputs"]
    run = _tflm if parameters["runtime"] == "tflm" else _litert
    rows = list(run(model, batch, parameters["runtime"], count))
    return {str(place): np.stack([row[place] for row in rows]) for place in range(count)}, {}


LITERT = {
    "litert-xnnpack": "AUTO",
    "litert-builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "litert-reference": "BUILTIN_REF",
}
"""LiteRT's kernels, and what its interpreter calls them."""


def _litert(model: bytes, batch: Any, runtime: str, count: int) -> Iterator[list[Any]]:
    module = import_module("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=getattr(module.OpResolverType, LITERT[runtime]),
    )
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    for sample in batch:
        interpreter.set_tensor(source["index"], sample[None])
        interpreter.invoke()
        yield [interpreter.get_tensor(outputs[place])[0] for place in range(count)]


def _tflm(model: bytes, batch: Any, runtime: str, count: int) -> Iterator[list[Any]]:
    module = import_module("tflite_micro").runtime
    interpreter: Any = None
    for arena in ARENAS:
        try:
            interpreter = module.Interpreter.from_bytes(model, arena_size=arena)
            break
        except RuntimeError:
            if arena == ARENAS[-1]:
                raise
    for sample in batch:
        interpreter.set_input(sample[None], 0)
        interpreter.invoke()
        yield [interpreter.get_output(place)[0].copy() for place in range(count)]
