"""From an ONNX file of 8-bit numbers to a net of them, and to a graph."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np

from edgespike.converters.base import ConvertOptions
from edgespike.converters.names import plain_name
from edgespike.converters.onnx.int8.checking import check_file
from edgespike.converters.onnx.int8.elementwise import is_bare
from edgespike.converters.onnx.int8.operators import NEAREST, OPERATORS
from edgespike.converters.onnx.int8.shapes import entering
from edgespike.converters.onnx.int8.values import (
    Answer,
    Codes,
    Pending,
    RefusedError,
    Sums,
    Units,
    UnknownValueError,
    kind_of,
)
from edgespike.converters.onnx.int8.walk import INPUT, Walk
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.converters.onnx.structure import listed
from edgespike.converters.result import Conversion
from edgespike.errors import UnsupportedError, named
from edgespike.graph.graph import NAME_LIMIT
from edgespike.int8.lowering import lower
from edgespike.int8.net import Int8Net, Int8Node, Int8Readout, Stored

ORIGIN = "an ONNX file of 8-bit numbers, computed as ONNX Runtime's integer kernels do"
"""What a graph is made from, as it says itself: other runtimes round otherwise."""

QDQ = (
    "Float operators between quantisers are computed as ONNX Runtime's integer kernels do that "
    "take their place (QLinearConv and others); in float32 about one value of 100,000 differs."
)
NEAR_HALVES = (
    "ONNX Runtime computes {} in float32, the graph exactly; where a result is near a half, ONNX "
    "Runtime may store its neighbour."
)

WITHOUT_VNNI = (
    "The graph's sums are exact. On processors without VNNI, ONNX Runtime adds pairs of products "
    "of uint8 and int8 in 16 bits, and may give other numbers in {}; its tools avoid that with "
    "reduce_range=True."
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
    # Where ONNX Runtime may differ, what follows is compared on the graph's own numbers.
    lowered = lower(net, name, ORIGIN, apart=walk.finer)
    return Conversion(
        lowered.graph, said=net.said, check=partial(check_file, model, walk, net, lowered)
    )


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
    readers = Counter(name for node in model.nodes for name in node.inputs)
    for node in model.nodes:
        try:
            _read(walk, node, readers[node.outputs[0]])
        except RefusedError as refused:
            found.append(f"{node.title} ({node.op}): {refused}")
        except UnknownValueError:
            continue
    if model.output in walk.values:
        try:
            _read_out(walk, model.output)
        except RefusedError as refused:
            found.append(f"output {named(model.output)}: {refused}")
    if found:
        raise UnsupportedError(f"{model.path} cannot be converted", dict.fromkeys(found))
    if any(
        not node.domain and node.op in ("Conv", "Gemm", "MatMul", "Add") for node in model.nodes
    ):
        walk.said[QDQ] = None
    if walk.finer:
        walk.said[NEAR_HALVES.format(listed(each.title for each in walk.finer.values()))] = None
    if walk.saturating:
        walk.said[WITHOUT_VNNI.format(listed(walk.saturating))] = None
    return Int8Net(tuple(walk.nodes), tuple(walk.said)), walk


def _read(walk: Walk, node: OnnxNode, readers: int) -> None:
    operator = OPERATORS.get((node.domain, node.op))
    if operator is None:
        nearest = NEAREST.get(node.op, "see docs/converters/onnx_int8.md for those that are")
        raise RefusedError(f"this operator is not read; {nearest}")
    after = next((n for n in node.inputs if isinstance(walk.values.get(n), Answer)), None)
    if after is not None and node.op not in ("QuantizeLinear", "DequantizeLinear"):
        raise RefusedError("it follows a softmax, sigmoid or argmax, which may only be at the end")
    if len(node.inputs) < operator.inputs:
        raise RefusedError(f"it has {len(node.inputs)} inputs; it needs {operator.inputs}")
    value = operator.read(walk, node)
    if isinstance(value, Pending) and readers > 1:
        # ONNX Runtime has integer kernels only for what one quantiser reads.
        value = replace(value, certain=False)
    if value is not None:
        walk.values[node.outputs[0]] = value


def _read_out(walk: Walk, name: str) -> None:
    value = walk.values[name]
    if isinstance(value, Answer):
        name, value = value.name, value.of
    if isinstance(value, Pending) and value.sums is not None and is_bare(value):
        _read_sums(walk, name, value, value.sums)
        return
    if not isinstance(value, Codes):
        raise RefusedError(
            f"it is {kind_of(value)}; it must be stored numbers, real ones of these, or the sums "
            "of a layer"
        )
    if value.node == INPUT:
        raise RefusedError("it is the model's input; nothing is computed")
    source = walk.arranged(value, (value.places.size,))
    walk.nodes.append(Int8Node(walk.names.new("readout"), Int8Readout(), value.stored, (source,)))


def _read_sums(walk: Walk, name: str, value: Pending, sums: Sums) -> None:
    """Let the readout take sums; a real bias is rounded to their units."""
    bias, rest = sums.bias, np.zeros(len(sums.bias))
    if sums.offset is not None:
        units = sums.offset / sums.factor
        bias, rest = bias + np.rint(units).astype(np.int64), units - np.rint(units)
        most = float(np.abs(rest * sums.factor).max())
        walk.said[f"The bias of {value.title} is rounded to units of its sums: by {most:.2g} at "
                  "most."] = None  # fmt: skip
    if value.shape[0] != math.prod(value.shape):
        raise RefusedError(
            f"it has shape {(1, *value.shape)}, sums that nothing stores; it must be one number "
            "for each class, so pool or flatten before the last layer"
        )
    stored = Stored(1.0, 0, -(2**31), 2**31 - 1)
    codes = walk.add(value.title, sums.build(bias, None), stored, [sums.source], value.shape)
    walk.units = Units(name, codes.node, sums.factor, rest)
    source = walk.reshaped(codes, (value.shape[0],))
    readout = Int8Readout(sums.factor.astype(np.float64))
    walk.nodes.append(Int8Node(walk.names.new("readout"), readout, stored, (source,)))
