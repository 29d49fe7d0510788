"""A model's inputs and outputs: real units outside, whole numbers inside.

Users rely on what a file declares. The declared scale is that of the graph's input: a value ``x``
in real units is stored as ``round(x / scale) + zero_point``. The first output is the logits, in
real units too. Inside, tensors have the scales with which layers are exact, see
:mod:`edgespike.targets.tflite.planning.planner`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgespike.graph import Graph
from edgespike.targets.tflite.planning.storage import Form, Storage, shared_scale
from edgespike.targets.tflite.writing.emitter import Emitter, Value


def emit_input(
    emitter: Emitter, graph: Graph, shape: tuple[int, ...], storage: Storage
) -> tuple[Value, Value]:
    """Declare a model's input in real units, and emit what turns it into whole numbers.

    Parameters
    ----------
    emitter
        Adds the operators.
    graph
        The graph.
    shape
        Shape of the input without the batch; the steps are the first axis if there are several.
    storage
        How the whole numbers are stored.

    Returns
    -------
    declared, whole
        What the model takes, and its whole numbers.
    """
    scale = float(np.float32(graph.input_op.scale))
    if storage.form is Form.FLOAT:
        declared = emitter.declare(graph.input.name, shape, storage, steps=1)
        return declared, declared if scale == 1 else _nearest(emitter, declared, scale)
    outside = replace(storage, scale=scale)
    declared = emitter.declare(graph.input.name, shape, outside, steps=1)
    return declared, emitter.in_units_of(declared, storage, steps=1)


def _nearest(emitter: Emitter, x: Value, scale: float) -> Value:
    units = emitter.elementwise("MUL", x, 1 / scale, steps=1)
    raised = emitter.elementwise("ADD", units, 0.5, steps=1)
    return emitter.emit("whole", "FLOOR", [raised.index], x.shape, steps=1)


def emit_logits(emitter: Emitter, graph: Graph, accumulators: Value) -> Value:
    """Return the logits: the accumulators themselves if their declared scale makes them logits."""
    scale = graph.readout_op.scale
    if accumulators.storage.scale == shared_scale(scale):
        return accumulators
    if accumulators.form is not Form.FLOAT:
        accumulators = emitter.emit(
            "dequantize", "DEQUANTIZE", [accumulators.index], accumulators.shape, steps=1
        )
    return emitter.elementwise("MUL", accumulators, scale, steps=1, name="logits")
