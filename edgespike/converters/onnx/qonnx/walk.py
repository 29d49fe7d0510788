"""From a QONNX net to a graph, node by node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.endings import ending_fault
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.converters.onnx.qonnx import elementwise, joins, layers, pools, shapes
from edgespike.converters.onnx.qonnx.beginning import begin
from edgespike.converters.onnx.qonnx.ending import DROPPED, Answers, finish
from edgespike.converters.onnx.qonnx.state import Activation, Part, State, Value
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import GraphError, UnsupportedError
from edgespike.graph import Graph, Node

HANDLERS: dict[str, Callable[[State, OnnxNode], Value]] = {
    "Add": elementwise.arithmetic,
    "AveragePool": pools.average_pool,
    "BatchNormalization": elementwise.batch_normalization,
    "Clip": elementwise.clip,
    "Concat": joins.concatenate,
    "Conv": layers.conv,
    "Div": elementwise.arithmetic,
    "Flatten": shapes.reshape,
    "Gemm": layers.gemm,
    "GlobalAveragePool": pools.global_average_pool,
    "MatMul": layers.matmul,
    "MaxPool": pools.max_pool,
    "Mul": elementwise.arithmetic,
    "Neg": elementwise.negative,
    "ReduceMean": pools.reduce_mean,
    "Relu": elementwise.relu,
    "Reshape": shapes.reshape,
    "Squeeze": shapes.reshape,
    "Sub": elementwise.arithmetic,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.reshape,
}
"""ONNX's own operators that are read."""

QUANTISERS: dict[str, Callable[[State, OnnxNode], Value]] = dict.fromkeys(
    ("BipolarQuant", "IntQuant", "MultiThreshold", "Quant", "Trunc"), elementwise.quantiser
)
"""QONNX's operators that are read, in each of its domains."""


@dataclass(frozen=True, eq=False)
class Walked:
    """A graph and how it belongs to its file.

    Parameters
    ----------
    graph
        The graph.
    said
        Sentences for the user.
    parts
        Values of the file that the graph has as well.
    answers
        The last value.
    input
        The input's axes.
    """

    graph: Graph
    said: tuple[str, ...]
    parts: tuple[Part, ...]
    answers: Answers
    input: Activation


def walk(model: OnnxModel, options: ConvertOptions) -> Walked:
    """Return the graph of a net.

    Raises
    ------
    UnsupportedError
        Lists everything that has no exact form in a graph.
    """
    what = f"{model.path} cannot be converted" if model.path.name else "model cannot be converted"
    if unknown := [_unknown(node) for node in model.nodes if _handler(node) is None]:
        raise UnsupportedError(what, unknown)
    try:
        builder, start, said = begin(model, options)
    except (UnsupportedError, GraphError) as error:
        raise UnsupportedError(what, error.violations) from None
    state = State(model, builder, {model.input: start}, said)
    with builder.collecting(what):
        state.check("the input", start)
        for node in model.nodes:
            _convert(state, node)
        answers = _finish(state)
    assert answers is not None
    _say_near(state)
    graph = Graph(options.graph_name(), _used(builder.nodes))
    parts = tuple(part for part in state.parts if part.activation.node in graph.tensors)
    return Walked(graph, tuple(state.said), parts, answers, start)


def _handler(node: OnnxNode) -> Callable[[State, OnnxNode], Value] | None:
    if node.op in DROPPED and not node.domain:
        return _dropped
    return (QUANTISERS if node.domain else HANDLERS).get(node.op)


def _unknown(node: OnnxNode) -> str:
    domain = f" of {node.domain}" if node.domain else ""
    return (
        f"{node.title} is a {node.op}{domain}; read are {', '.join((*HANDLERS, *QUANTISERS))}, and "
        f"at the end {', '.join(DROPPED)}"
    )


def _convert(state: State, node: OnnxNode) -> None:
    """Convert a node, unless what it takes could not be converted."""
    known = {*state.values, *state.model.constants, ""}
    if not known.issuperset(node.inputs):
        return
    handler = _handler(node)
    assert handler is not None
    try:
        value = handler(state, node)
        if isinstance(value, Activation):
            state.check(node.title, value)
        state.values[node.outputs[0]] = value
    except ConversionStoppedError as stop:
        state.builder.violations.append(str(stop))
    except (UnsupportedError, GraphError) as error:
        found = (f"{node.title}: {violation}" for violation in error.violations)
        state.builder.violations += found


def _dropped(state: State, node: OnnxNode) -> Value:
    """Leave out a function of the answers that keeps their order."""
    if fault := ending_fault(node, state.model.shapes[node.inputs[0]]):
        raise ConversionStoppedError(f"{node.title}, a {node.op}, {fault}")
    takers = [taker for name in node.outputs for taker in state.consumers[name]]
    if any(taker.op not in (*DROPPED, "Reshape", "Flatten", "Squeeze") for taker in takers):
        raise ConversionStoppedError(
            f"{node.title} is a {node.op} inside the net; it is read only at the end"
        )
    state.said.append(
        f"{node.title}, a {node.op}, is left out: the answers are the values before it"
    )
    return state.activation(node)


def _finish(state: State) -> Answers | None:
    """Append the readout of the last value that is not dropped; ``None`` if there is none."""
    name = state.model.output
    makers = {output: node for node in state.model.nodes for output in node.outputs}
    last = makers[name]
    while last.op in DROPPED or (
        last.op in ("Reshape", "Flatten", "Squeeze")
        and makers.get(last.inputs[0], last).op in DROPPED
    ):
        name = last.inputs[0]
        if name not in makers:
            raise ConversionStoppedError(f"{last.title} is all that the net computes")
        last = makers[name]
    found = state.values.get(name)
    if found is None:
        return None  # what it follows from was refused
    if not isinstance(found, Activation):
        raise ConversionStoppedError(f"{last.title} gives constants; end the net in its answers")
    return finish(state, last, found)


def _say_near(state: State) -> None:
    if state.near:
        state.said.append(
            f"{state.near} of {state.compared} thresholds lie so near a sum that float32, in which "
            "qonnx computes, may round it to either side; the graph takes the exact side"
        )


def _used(nodes: list[Node]) -> tuple[Node, ...]:
    """Return the nodes that the answers depend on."""
    wanted = {nodes[0].name, nodes[-1].name}
    kept = []
    for node in reversed(nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(kept[::-1])
