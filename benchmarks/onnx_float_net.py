"""Build an ONNX model in float32 of a single-step graph's architecture, with ReLU as threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgespike.graph import (
    Add,
    Conv2d,
    Dense,
    Graph,
    MaxPool2d,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops import Weighted

OPSET = 17
IR_VERSION = 9
"""Old enough for every ONNX Runtime that has the operators."""


def float_net(graph: Graph) -> ModelProto:
    """Return the model of a graph without membranes; weights become float32, thresholds ReLU."""
    nodes = [_node(graph, node) for node in graph.nodes[1:]]
    constants = {}
    for node, op in graph.of_type(Weighted):  # type: ignore[type-abstract]
        scale = 1 / np.sqrt(op.weight[0].size)
        constants[f"{node.name}.weight"] = (op.weight * scale).astype(np.float32)
        constants[f"{node.name}.bias"] = (op.bias * scale).astype(np.float32)
    for node, reshape in graph.of_type(Reshape):
        constants[f"{node.name}.shape"] = np.array([-1, *reshape.shape], np.int64)
    ends = [
        helper.make_tensor_value_info(
            end.name, TensorProto.FLOAT, ["batch", *graph.tensors[end.name].shape]
        )
        for end in (graph.input, graph.readout)
    ]
    initialisers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    body = helper.make_graph(nodes, graph.name, ends[:1], ends[1:], initialisers)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)


def _node(graph: Graph, node: Node) -> NodeProto:
    own = [f"{node.name}.weight", f"{node.name}.bias"]
    match node.op:
        case Dense():
            return _make("Gemm", node, *own, transB=1)
        case Conv2d() as op:
            return _make(
                "Conv",
                node,
                *own,
                kernel_shape=op.weight.shape[2:],
                strides=op.stride,
                pads=np.transpose(op.sides).ravel().tolist(),
                dilations=op.dilation,
                group=op.groups,
            )
        case MaxPool2d() | SumPool2d() as op:
            return _make(
                "MaxPool" if isinstance(op, MaxPool2d) else "AveragePool",
                node,
                kernel_shape=op.kernel,
                strides=op.stride,
                pads=np.transpose(op.sides).ravel().tolist(),
            )
        case Threshold():
            return _make("Relu", node)
        case Add():
            return _make("Sum", node)
        case Reshape():
            return _make("Reshape", node, f"{node.name}.shape")
        case Readout() if graph.steps == 1:
            return _make("Identity", node)
    raise SystemExit(f"{node.name} ({node.op.kind}) cannot be translated; use a single-step graph")


def _make(operator: str, node: Node, *constants: str, **attributes: Any) -> NodeProto:
    inputs = [*node.inputs, *constants]
    made: NodeProto = helper.make_node(operator, inputs, [node.name], **attributes)
    return made
