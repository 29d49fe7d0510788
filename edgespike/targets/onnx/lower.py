"""From a graph to an ONNX model."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgespike import __version__
from edgespike.extras import needs_extra
from edgespike.graph import Graph
from edgespike.targets.onnx.emitter import Emitter, Storage, Value
from edgespike.targets.onnx.limits import IR_VERSION, OPSET
from edgespike.targets.onnx.walk import (
    Step,
    batch_and,
    input_type,
    readout_storage,
    states,
)
from edgespike.targets.shared.bundles import labels

if TYPE_CHECKING:
    import onnx

INPUT, LOGITS, ACCUMULATORS = "input", "logits", "accumulators"
"""Names of a model's input and outputs."""

BATCH = "batch"
"""Name of the first dimension, of any size."""


@dataclass(frozen=True)
class Lowered:
    """A model and how to read its outputs.

    Parameters
    ----------
    model
        The model: ``input`` to ``logits`` and ``accumulators``, then what was asked for.
    observed
        For each node that was asked for, the name of its output, ``(batch, *shape)``, or
        ``(batch, steps, *shape)`` if there are several steps, and how it is stored.
    """

    model: onnx.ModelProto
    observed: dict[str, Value]


def lower(graph: Graph, observed: Collection[str] = ()) -> Lowered:
    """Lower a graph to a model that returns its logits, its accumulators and nodes' outputs.

    Parameters
    ----------
    graph
        A graph without :func:`edgespike.targets.onnx.check.violations`.
    observed
        Nodes whose outputs the model returns too: nodes at which events arise, or the readout.

    Raises
    ------
    EnvironmentMissingError
        The package onnx is not installed.
    """
    with needs_extra("onnx", "the onnx target"):
        import onnx  # noqa: F401
    emitter = Emitter()
    x = Value(INPUT, Storage(input_type(graph)))
    if graph.steps == 1:
        answer, found = _one_step(graph, emitter, x, observed)
    else:
        answer, found = _all_steps(graph, emitter, x, observed)
    _emit_answer(graph, emitter, answer)
    return Lowered(_model(graph, emitter, found), found)


def _one_step(
    graph: Graph, emitter: Emitter, x: Value, observed: Collection[str]
) -> tuple[Value, dict[str, Value]]:
    step = Step(graph, emitter, x, {})
    step.run()
    return step.values[graph.readout.name], _outputs(emitter, step, observed)


def _outputs(emitter: Emitter, step: Step, observed: Collection[str]) -> dict[str, Value]:
    """Give observed values names of their own, since a tensor can be only one output."""
    found = {}
    for name in observed:
        value = step.values[name]
        copy = emitter.emit("Identity", [value.name], f"{name}/observed", f"{name}:observed")
        found[name] = Value(copy, value.storage)
    return found


def _all_steps(
    graph: Graph, emitter: Emitter, x: Value, observed: Collection[str]
) -> tuple[Value, dict[str, Value]]:
    """Emit one step as the body of a Scan, which runs it for each step of a sample."""
    from onnx import helper

    carried = list(states(graph))
    body = Emitter()
    sample = Value("step:input", x.storage)
    before = {state.name: Value(f"{state.name}:before", state.storage) for state in carried}
    step = Step(graph, body, sample, before)
    step.run()
    shape = graph.input_op.shape
    inputs = [
        _info(value.name, value.storage, state.shape)
        for state, value in zip(carried, before.values(), strict=True)
    ]
    inputs.append(_info(sample.name, sample.storage, shape))
    outputs = []
    for state in carried:
        after = step.after[state.name].name
        copy = body.emit("Identity", [after], f"{state.name}/carried", f"{state.name}:after")
        outputs.append(_info(copy, state.storage, state.shape))
    found = _outputs(body, step, observed)
    for name, value in found.items():
        outputs.append(_info(value.name, value.storage, graph.tensors[name].shape))
    initial = []
    for state in carried:
        name = f"{state.name}/initial"
        whole = batch_and(emitter, x, state.shape, name)
        one = np.array(state.storage.stored(state.initial), state.storage.dtype)
        constant = emitter.constant(one, state.storage.dtype, name)
        initial.append(emitter.emit("Expand", [constant, whole], name))
    steps = {name: Value(f"{name}:steps", value.storage) for name, value in found.items()}
    last = {state.name: f"{state.name}:last" for state in carried}
    axes = {"scan_output_axes": [1] * len(steps)} if steps else {}
    taken = [*initial, x.name]
    given = [*last.values(), *(value.name for value in steps.values())]
    scan = helper.make_node("Scan", taken, given, name="steps", num_scan_inputs=1)
    parts = helper.make_graph(body.nodes, "step", inputs, outputs, _initializers(body))
    for key, attribute in {"body": parts, "scan_input_axes": [1], **axes}.items():
        scan.attribute.append(helper.make_attribute(key, attribute))
    emitter.nodes.append(scan)
    answer = Value(last[graph.readout.name], readout_storage(graph))
    return answer, steps


def _emit_answer(graph: Graph, emitter: Emitter, answer: Value) -> None:
    """Emit the two outputs: whole numbers, and these in real units, as float64."""
    double = np.dtype(np.float64)
    emitter.emit("Identity", [answer.name], "accumulators/copy", ACCUMULATORS)
    real = emitter.cast(answer.name, double, LOGITS)
    scale = emitter.constant(graph.readout_op.scale, double, "logits/scale")
    emitter.emit("Mul", [real, scale], "logits/scaled", LOGITS)


def _model(graph: Graph, emitter: Emitter, observed: dict[str, Value]) -> onnx.ModelProto:
    from onnx import helper, shape_inference

    several = (graph.steps,) if graph.steps > 1 else ()
    op, classes = graph.input_op, graph.tensors[graph.readout.name].shape
    outputs = [
        _info(LOGITS, Storage(np.dtype(np.float64)), classes),
        _info(ACCUMULATORS, readout_storage(graph), classes),
        *(
            _info(value.name, value.storage, (*several, *graph.tensors[name].shape))
            for name, value in observed.items()
        ),
    ]
    text = describe(graph)
    source = _info(INPUT, Storage(input_type(graph)), (*several, *op.shape))
    model = helper.make_model(
        helper.make_graph(
            emitter.nodes,
            graph.name,
            [source],
            outputs,
            initializer=_initializers(emitter),
            doc_string=text,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgespike",
        producer_version=__version__,
        doc_string=text,
    )
    helper.set_model_props(model, metadata(graph))
    return shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def metadata(graph: Graph) -> dict[str, str]:
    """Return what the file says about the graph besides its operators."""
    op, readout = graph.input_op, graph.readout_op
    return {
        "edgespike.version": __version__,
        "edgespike.graph": graph.name,
        "edgespike.sha256": graph.hash,
        "edgespike.origin": graph.origin,
        "edgespike.input_low": str(op.low),
        "edgespike.input_high": str(op.high),
        "edgespike.input_scale": repr(op.scale),
        "edgespike.steps": str(graph.steps),
        "edgespike.members": str(readout.members),
        "edgespike.classes": str(readout.classes),
        **{f"edgespike.{name}": json.dumps(value) for name, value in labels(graph).items()},
    }


def describe(graph: Graph) -> str:
    """Say what the model takes and returns."""
    op = graph.input_op
    return (
        f"edgespike graph {graph.name}, SHA-256 {graph.hash}. Input: whole numbers "
        f"{op.low}..{op.high} in units of {op.scale!r}. Outputs: logits in real units, and the "
        "accumulators, the whole numbers that they are computed from."
    )


def _info(name: str, storage: Storage, shape: tuple[int, ...]) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(storage.dtype)
    return helper.make_tensor_value_info(name, kind, [BATCH, *shape])


def _initializers(emitter: Emitter) -> list[Any]:
    from onnx import numpy_helper

    return [
        numpy_helper.from_array(np.ascontiguousarray(array) if array.ndim else array, name)
        for name, array in emitter.constants.items()
    ]
