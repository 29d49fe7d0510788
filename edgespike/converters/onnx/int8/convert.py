"""From an ONNX file of 8-bit numbers to a net of them, and to a graph."""

from __future__ import annotations

from functools import partial

import numpy as np

from edgespike.converters.base import ConvertOptions
from edgespike.converters.names import plain_name
from edgespike.converters.onnx.int8.checking import check_file
from edgespike.converters.onnx.int8.operators import NEAREST, OPERATORS
from edgespike.converters.onnx.int8.values import (
    Answer,
    Codes,
    Pending,
    RefusedError,
    UnknownValueError,
    Value,
)
from edgespike.converters.onnx.int8.walk import Walk, entering, kind_of
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.converters.result import Conversion
from edgespike.errors import UnsupportedError, named
from edgespike.graph.graph import NAME_LIMIT
from edgespike.int8.lowering import lower
from edgespike.int8.net import Int8Net, Int8Node, Int8Readout

QDQ = (
    "Float operators between quantisers are computed as ONNX Runtime's integer kernels do that take "
    "their place (QLinearConv and others); in float32 about one value of 100,000 differs."
)


def convert_int8(model: OnnxModel, options: ConvertOptions) -> Conversion:
    """Return the graph of a model of 8-bit numbers, QDQ or QOperator.

    Raises
    ------
    UnsupportedError
        Lists everything that is not converted, with the nearest that is.
    """
    unused = [
        f"{name} is given, but the file states its own numbers; leave it out"
        for name in options.given
        if name != "name"
    ]
    net, walk = read_net(model, unused)
    name = options.graph_name(plain_name(model.path.stem)[:NAME_LIMIT] or "model")
    lowered = lower(net, name)
    found = {
        value: codes
        for value, codes in walk.values.items()
        if isinstance(codes, Codes) and not codes.real
    }
    check = partial(check_file, model, found, net, lowered)
    return Conversion(lowered.graph, said=net.said, check=check)


def read_net(model: OnnxModel, faults: list[str] | None = None) -> tuple[Int8Net, Walk]:
    """Return the net of a model, and what was found of the model's values.

    Parameters
    ----------
    faults
        What is wrong besides.

    Raises
    ------
    UnsupportedError
        As above.
    """
    found = list(faults or ())
    walk = Walk(model, {}, dict(model.constants))
    try:
        walk.values[model.input] = entering(model)
    except RefusedError as refused:
        found.append(f"input {named(model.input)} {refused}")
    for node in model.nodes:
        try:
            _read(walk, node)
        except RefusedError as refused:
            found.append(f"{node.title} ({node.op}): {refused}")
        except UnknownValueError:
            continue
    if model.output in walk.values:
        try:
            _read_out(walk, walk.values[model.output])
        except RefusedError as refused:
            found.append(f"output {named(model.output)}: {refused}")
    if found:
        raise UnsupportedError(f"{model.path} cannot be converted", dict.fromkeys(found))
    if any(
        not node.domain and node.op in ("Conv", "Gemm", "MatMul", "Add") for node in model.nodes
    ):
        walk.said[QDQ] = None
    return Int8Net(tuple(walk.nodes), tuple(walk.said)), walk


def _read(walk: Walk, node: OnnxNode) -> None:
    operator = OPERATORS.get((node.domain, node.op))
    if operator is None:
        nearest = NEAREST.get(node.op, "see docs/converters/onnx_int8.md for those that are")
        raise RefusedError(f"this operator is not read; {nearest}")
    after = next((n for n in node.inputs if isinstance(walk.values.get(n), Answer)), None)
    if after is not None and not node.op.endswith("quantizeLinear") and "Quantize" not in node.op:
        raise RefusedError("it follows a softmax or sigmoid, which may only be at the end")
    value = operator.read(walk, node)
    if value is not None:
        walk.values[node.outputs[0]] = value


def _read_out(walk: Walk, value: Value) -> None:
    if isinstance(value, Answer):
        value = value.of
    if isinstance(value, Pending):
        value = _sums(walk, value)
    if not isinstance(value, Codes):
        raise RefusedError(f"it is {kind_of(value)}; it must be what a layer gives")
    source = walk.reshaped(value, (value.places.size,))
    if not np.array_equal(value.places.ravel(), np.arange(value.places.size)):
        raise RefusedError("its axes are in another order; leave out the Transpose before it")
    readout = Int8Node(walk.names.new("readout"), Int8Readout(), value.stored, (source,), "output")
    walk.nodes.append(readout)


def _sums(walk: Walk, value: Pending) -> Codes:
    raise RefusedError(
        f"it is {kind_of(value)}; quantise the last layer's result, and dequantise it"
    )
