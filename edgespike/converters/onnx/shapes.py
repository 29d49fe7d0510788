"""Shapes and types of a model's values, with onnx's own inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgespike.converters.onnx.loading import shown_line
from edgespike.converters.onnx.structure import domain_of


@dataclass(frozen=True)
class Inferred:
    """What is known of a model's values before it runs.

    Parameters
    ----------
    shapes
        Of the values whose every size is known.
    types
        Numbers of types in ONNX.
    fault
        Why inference ended early; empty if it did not.
    """

    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, int]
    fault: str = ""


def infer(model: Any) -> Inferred:
    """Return the shapes of all values that onnx's inference finds, with a batch of 1.

    Operators of other domains are replaced by one of ONNX's that gives values of the same shape;
    values of those without such a stand-in have no shape.
    """
    import onnx

    try:
        found = onnx.shape_inference.infer_shapes(
            _with_stand_ins(model), strict_mode=True, data_prop=True
        )
    # Its C++ code raises what it likes for nodes that do not fit together.
    except Exception as error:
        return Inferred({}, {}, shown_line(error))
    shapes: dict[str, tuple[int, ...]] = {}
    types: dict[str, int] = {}
    for tensor in found.graph.initializer:
        shapes[tensor.name], types[tensor.name] = tuple(tensor.dims), tensor.data_type
    for value in (*found.graph.input, *found.graph.value_info, *found.graph.output):
        kind = value.type.tensor_type
        types[value.name] = kind.elem_type
        dims = list(kind.shape.dim)
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return Inferred(shapes, types)


_CONSTANTS_ARE_NO_INPUTS = 4
"""From this version of the file format on."""


def only_shapes(model: Any, start: str) -> None:
    """Prepare a model for inference: a batch of 1, and no sizes that the file claims itself.

    Constants leave the inputs: before version 4, files list them there, and inference goes by it.
    """
    model.ir_version = max(model.ir_version, _CONSTANTS_ARE_NO_INPUTS)
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in [value for value in model.graph.input if value.name in stored]:
        model.graph.input.remove(value)
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    (value,) = (value for value in model.graph.input if value.name == start)
    first = value.type.tensor_type.shape.dim[0]
    first.Clear()
    first.dim_value = 1


def _with_stand_ins(model: Any) -> Any:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        if domain_of(node) and node.op_type in _STAND_INS:
            made = _STAND_INS[node.op_type](node)
            made.output.extend(node.output)
            node.CopyFrom(made)
    return copy


def _as_first(node: Any) -> Any:
    """Return a node with the shape of the first input."""
    return _node("Identity", node.input[0])


def _as_sum(node: Any) -> Any:
    """Return a node with the shape of a sum: QLinearAdd (A, scale, zero point, B, ...)."""
    return _node("Add", node.input[0], node.input[3])


def _as_joined(node: Any) -> Any:
    """Return QLinearConcat (scale, zero point, X1, scale, zero point, X2, ...) without scales."""
    return _node("Concat", *node.input[2::3], like=node)


def _as_product(node: Any) -> Any:
    """Return QGemm (A, scale, zero point, B, scale, zero point, ...) without scales."""
    return _node("Gemm", node.input[0], node.input[3], like=node)


def _as_pool(node: Any) -> Any:
    made = _node(node.op_type.removeprefix("QLinear"), node.input[0], like=node)
    kept = [attribute for attribute in made.attribute if attribute.name != "channels_last"]
    del made.attribute[:]
    made.attribute.extend(kept)
    return made


def _node(op: str, *inputs: str, like: Any = None) -> Any:
    import onnx

    node = onnx.NodeProto(op_type=op, input=inputs)
    if like is not None:
        node.attribute.extend(like.attribute)
    return node


_STAND_INS: dict[str, Callable[[Any], Any]] = {
    "Quant": _as_first,
    "IntQuant": _as_first,
    "BipolarQuant": _as_first,
    "Trunc": _as_first,
    "MultiThreshold": _as_first,
    "QuantizeLinear": _as_first,
    "DequantizeLinear": _as_first,
    "QLinearSigmoid": _as_first,
    "QLinearLeakyRelu": _as_first,
    "QLinearSoftmax": _as_first,
    "QLinearAdd": _as_sum,
    "QLinearMul": _as_sum,
    "QLinearConcat": _as_joined,
    "QGemm": _as_product,
    "QLinearAveragePool": _as_pool,
    "QLinearGlobalAveragePool": _as_pool,
}
