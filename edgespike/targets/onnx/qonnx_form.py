"""A graph of a single step as a QONNX model, for FINN, hls4ml and qonnx's own tools.

Every value is a float32 tensor of whole numbers, named as the graph's node. Neurons are
MultiThreshold nodes, weights are float initialisers with a Quant or BipolarQuant node, and the
input has a Quant node of scale 1. Only the last node, which scales the answers, leaves the whole
numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops.threshold import reachable
from edgespike.graph.tensor import FLOAT32_LIMIT, Integers, Tensor
from edgespike.targets.onnx.sums import geometry, pads
from edgespike.targets.shared.partial_sums import largest_magnitude, partial_sum_bounds

if TYPE_CHECKING:
    import onnx

OPSET, DOMAIN, IR_VERSION = 11, "qonnx.custom_op.general", 8
"""Versions that qonnx 1.0 and FINN read."""


def qonnx_model(graph: Graph) -> onnx.ModelProto:
    """Return a graph as a QONNX model: a batch of one sample in, its logits out.

    The input takes the graph's whole numbers as float32, ``(1, *shape)``.

    Raises
    ------
    UnsupportedError
        Lists what QONNX cannot hold: steps, membranes, delays, merged graphs, and sums that
        float32 does not compute exactly.
    """
    if found := list(qonnx_violations(graph)):
        raise UnsupportedError(f"graph {graph.name!r} cannot be written as QONNX", found)
    from onnx import helper

    emitter = _Emitter()
    for node in graph.nodes:
        _emit(emitter, graph, node)
    shape = (1, *graph.input_op.shape)
    classes = (1, graph.readout_op.scale.size)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(np.float32))
    made = helper.make_graph(
        emitter.nodes,
        graph.name,
        [helper.make_tensor_value_info(_INPUT, kind, shape)],
        [helper.make_tensor_value_info(graph.readout.name, kind, classes)],
        emitter.constants,
        value_info=[
            helper.make_tensor_value_info(node.name, kind, (1, *graph.tensors[node.name].shape))
            for node in graph.nodes[:-1]
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(
        made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="edgespike"
    )


_INPUT = "graph:input"
"""Name of the model's input; no node of a graph has a colon in its name."""


def qonnx_violations(graph: Graph) -> Iterator[str]:
    """Yield what a QONNX model cannot hold."""
    if graph.steps > 1:
        yield f"samples have {graph.steps} steps; QONNX has no time, so give a graph of one step"
    for node in graph.nodes:
        inputs = [graph.tensors[source] for source in node.inputs]
        yield from _node_violations(node, inputs, graph.tensors[node.name])


def _node_violations(node: Node, inputs: list[Tensor], output: Tensor) -> Iterator[str]:
    match node.op:
        case Membrane() | Delay():
            yield (
                f"{node.name} is a {node.op.kind}, which keeps a state; QONNX has no state, so "
                "give a graph of thresholds"
            )
        case Multiply():
            yield (
                f"{node.name} multiplies two values, which edgespike cannot read back from QONNX; "
                "write the model without the QONNX form"
            )
        case Readout() if node.op.members > 1:
            yield f"{node.name} merges {node.op.members} graphs; write each of them"
        case Readout():
            yield from _sum_violations(node, float(largest_magnitude(output).max()))
            yield from _scale_violations(node, node.op.scale, largest_magnitude(output))
        case Dense() | Conv2d():
            bound = float(partial_sum_bounds(node.op.weight, node.op.bias, inputs[0]).max())
            yield from _sum_violations(node, bound)
        case SumPool2d():
            bound = _window_size(node.op) * float(largest_magnitude(inputs[0]).max())
            yield from _sum_violations(node, bound * _MEANS)
        case Threshold():
            # All levels count, also those that no value reaches: what they are made of is rounded.
            offset, above = node.op.offset, node.op.unit * node.op.levels
            yield from _sum_violations(node, float(max(abs(offset), above, abs(offset + above))))
        case Input() | Add() | Concatenate() | Reshape() | MaxPool2d():
            yield from _sum_violations(node, float(largest_magnitude(output).max()))
        case _:
            assert_never(node.op)


_MEANS = 16
"""How many times smaller sums of windows must be, so that a mean times its size is rounded to
them."""


def _sum_violations(node: Node, bound: float) -> Iterator[str]:
    if bound >= FLOAT32_LIMIT:
        yield (
            f"{node.name} may reach {bound:.0f}; QONNX computes in float32, which is exact below "
            f"{FLOAT32_LIMIT}, so use fewer bits"
        )


def _scale_violations(
    node: Node, scale: NDArray[np.float64], largest: NDArray[np.float64]
) -> Iterator[str]:
    """Yield scales that float32 rounds to nothing, or answers that it cannot hold."""
    float32 = np.finfo(np.float32)
    with np.errstate(over="ignore"):
        wrong = (scale < float32.tiny) | (scale * np.maximum(largest, 1) > float32.max)
    if wrong.any():
        worst = int(wrong.argmax())
        yield (
            f"{node.name} has answers of up to {largest[worst]:.0f} in units of "
            f"{scale[worst]:g}; QONNX computes them in float32, which has normal numbers from "
            f"{float32.tiny:g} to {float32.max:g}, so scale the model"
        )


class _Emitter:
    """Nodes and constants of the model, as far as they are made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: Any, dtype: type = np.float32) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        domain = DOMAIN if op in ("Quant", "BipolarQuant", "MultiThreshold") else ""
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)
        )
        return output

    def quant(self, source: str, output: str, low: int, high: int) -> str:
        """Add a quantiser of scale 1 that keeps whole numbers of a range."""
        signed = low < 0
        bits = max(high.bit_length(), (-low - 1).bit_length() if signed else 1) + signed
        narrow = signed and low > -(2 ** (bits - 1))
        scale, zero, width = (
            self.constant(f"{output}:{what}", value)
            for what, value in (("scale", 1), ("zero", 0), ("bits", max(bits, 1 + signed)))
        )
        return self.node(
            "Quant",
            [source, scale, zero, width],
            output,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode="ROUND",
        )

    def weights(self, name: str, values: Integers) -> str:
        """Add weights with a quantiser that keeps them."""
        stored = self.constant(f"{name}:stored", values)
        if (np.abs(values) == 1).all():
            scale = self.constant(f"{name}:scale", 1)
            return self.node("BipolarQuant", [stored, scale], name)
        return self.quant(stored, name, min(int(values.min()), -1), max(int(values.max()), 1))


def _emit(emitter: _Emitter, graph: Graph, node: Node) -> None:
    op, name, inputs = node.op, node.name, list(node.inputs)
    match op:
        case Input():
            emitter.quant(_INPUT, name, op.low, op.high)
        case Dense():
            weight = emitter.weights(f"{name}:weight", op.weight.T)
            _with_bias(emitter, node, "MatMul", [*inputs, weight])
        case Conv2d():
            weight = emitter.weights(f"{name}:weight", op.weight)
            _with_bias(emitter, node, "Conv", [*inputs, weight], **geometry(op))
        case Threshold():
            _emit_threshold(emitter, node, op, graph.tensors[inputs[0]])
        case Add():
            total = inputs[0]
            for index, other in enumerate(inputs[1:], 2):
                last = index == len(inputs)
                total = emitter.node("Add", [total, other], name if last else f"{name}:{index}")
        case Concatenate():
            emitter.node("Concat", inputs, name, axis=1)
        case Reshape():
            shape = emitter.constant(f"{name}:shape", (1, *op.shape), np.int64)
            emitter.node("Reshape", [*inputs, shape], name)
        case MaxPool2d():
            attributes = {"kernel_shape": op.kernel, "strides": op.stride, "pads": pads(op.sides)}
            emitter.node("MaxPool", inputs, name, **attributes)
        case SumPool2d():
            _emit_sums(emitter, node, op, graph.tensors[name])
        case Readout():
            scale = emitter.constant(f"{name}:scale", op.scale[None])
            emitter.node("Mul", [*inputs, scale], name)
        case Membrane() | Delay() | Multiply():
            raise AssertionError(f"{name} was not refused")
        case _:
            assert_never(op)


def _with_bias(
    emitter: _Emitter, node: Node, op: str, inputs: list[str], **attributes: Any
) -> None:
    assert isinstance(node.op, Dense | Conv2d)
    bias, name = node.op.bias, node.name
    if not bias.any():
        emitter.node(op, inputs, name, **attributes)
        return
    product = emitter.node(op, inputs, f"{name}:product", **attributes)
    shape = (1, -1) if op == "MatMul" else (1, -1, 1, 1)
    added = emitter.constant(f"{name}:bias", bias.reshape(shape))
    emitter.node("Add", [product, added], name)


def _emit_threshold(emitter: _Emitter, node: Node, op: Threshold, source: Tensor) -> None:
    """Add thresholds; a flipped channel reaches one from above, so its sums change sign first."""
    (value,), name = node.inputs, node.name
    theta = reachable(op.theta, source.low[:, None], source.high[:, None])
    rank = len(source.shape) + 1
    if op.flipped.any():
        signs = np.where(op.flipped, -1, 1).reshape(1, -1, *(1,) * (rank - 2))
        sign = emitter.constant(f"{name}:signs", signs)
        value = emitter.node("Mul", [value, sign], f"{name}:signed")
        # x < theta where -x >= 1 - theta.
        theta = np.where(op.flipped[:, None], np.sort(1 - theta, axis=1), theta)
    thresholds = emitter.constant(f"{name}:thresholds", theta)
    emitter.node(
        "MultiThreshold",
        [value, thresholds],
        name,
        out_dtype=_type_name(op),
        out_scale=float(op.unit),
        out_bias=float(op.offset),
        data_layout="NC" if rank == 2 else "NCHW",
    )


def _type_name(op: Threshold) -> str:
    """Return the name of qonnx's smallest data type for the levels."""
    low, high = op.offset, op.offset + op.unit * op.levels
    if (low, high, op.levels) == (-1, 1, 1):
        return "BIPOLAR"
    if low >= 0:
        return "BINARY" if high <= 1 else f"UINT{high.bit_length()}"
    return f"INT{max(high.bit_length(), (-low - 1).bit_length()) + 1}"


def _emit_sums(emitter: _Emitter, node: Node, op: SumPool2d, output: Tensor) -> None:
    """Add the sums of windows: means times their size, which float32 may have to round."""
    (source,), name = node.inputs, node.name
    count = _window_size(op)
    rounded = bool(count & (count - 1))
    mean = emitter.node(
        "AveragePool",
        [source],
        f"{name}:mean",
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=pads(op.sides),
        count_include_pad=1,
    )
    size = emitter.constant(f"{name}:count", count)
    total = emitter.node("Mul", [mean, size], f"{name}:total" if rounded else name)
    if rounded:
        emitter.quant(total, name, *output.bounds)


def _window_size(op: SumPool2d) -> int:
    return op.kernel[0] * op.kernel[1]
