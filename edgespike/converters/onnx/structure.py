"""What an ONNX model is made of, beside its operators: all that no converter reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import Any

from edgespike.converters.onnx.loading import ELEMENT_LIMIT, tensors_of
from edgespike.errors import named, shown

OPSETS = range(7, 26)
"""The versions of ONNX's own operators that are read."""

DOMAINS = (
    "",
    "ai.onnx",
    "com.microsoft",
    "onnx.brevitas",
    "finn.custom_op.general",
    "qonnx.custom_op.general",
)
"""Where operators that are read may be defined: ONNX, ONNX Runtime, Brevitas, FINN and QONNX."""

NODE_LIMIT = 20_000
"""Most nodes of a model."""


def title_of(node: Any) -> str:
    """Return what messages call a node: its name, or its type and its first output."""
    if node.name:
        return named(node.name)
    return f"{named(node.op_type)} of {named(node.output[0] if node.output else '')}"


def domain_of(node: Any) -> str:
    """Return where a node's type is defined; "" for ONNX's own, which has two names."""
    return "" if node.domain == "ai.onnx" else str(node.domain)


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names as a message lists them, the first few."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(map(named, found[:most])) + more


def structure_faults(model: Any) -> Iterator[str]:
    """Yield what keeps a model from being read, whatever its operators."""
    yield from _version_faults(model)
    yield from _end_faults(model.graph)
    yield from _tensor_faults(model)
    yield from _name_faults(model.graph)


def _version_faults(model: Any) -> Iterator[str]:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = versions.get("", versions.get("ai.onnx"))
    if version is None or version not in OPSETS:
        yield (
            f"ONNX's operators are of version {version}; read are {OPSETS[0]}..{OPSETS[-1]}; "
            "export with opset_version=17, or call onnx.version_converter.convert_version"
            "(model, 17)"
        )
    twice = Counter(domain or "ai.onnx" for domain in (e.domain for e in model.opset_import))
    if many := [domain for domain, number in twice.items() if number > 1]:
        yield f"the versions of {listed(many)} are given more than once; give each one version"
    used = Counter(node.domain for node in model.graph.node)
    for domain, nodes in used.items():
        if domain not in DOMAINS:
            first = next(node for node in model.graph.node if node.domain == domain)
            yield (
                f"{nodes} nodes are of domain {named(domain)}, which nothing here knows; the first "
                f"is {title_of(first)}, a {named(first.op_type)}; export without them"
            )


def _end_faults(graph: Any) -> Iterator[str]:
    """Yield which inputs and outputs are too many, or no tensors of numbers."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    for what, values in (("inputs", inputs), ("outputs", list(graph.output))):
        if len(values) != 1:
            yield (
                f"the model has {len(values)} {what} ({listed(v.name for v in values)}); give one: "
                "onnx.utils.extract_model cuts a model with one of each out of it"
            )
    for value in (*inputs, *graph.output):
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            yield f"{named(value.name)} is of {kind.replace('_', ' ')}; give a tensor"
        elif value.type.tensor_type.elem_type == 8:
            yield f"{named(value.name)} is a tensor of strings; give numbers"
    for value in inputs:
        if value.type.WhichOneof("value") == "tensor_type":
            yield from _dynamic_faults(value)


def _dynamic_faults(value: Any) -> Iterator[str]:
    """Yield which axes of the input are open; the first, that of the batch, may be."""
    if not value.type.tensor_type.HasField("shape"):
        yield (
            f"input {named(value.name)} has no shape; set it: python -m "
            f"onnxruntime.tools.make_dynamic_shape_fixed --input_name {named(value.name)} "
            "--input_shape 1,..."
        )
        return
    dims = list(value.type.tensor_type.shape.dim)
    if len(dims) < 2:
        yield f"input {named(value.name)} has {len(dims)} axes; give (batch, features) or more"
    open_axes = [
        f"{axis} ({named(dim.dim_param) if dim.dim_param else 'without a name'})"
        for axis, dim in enumerate(dims)
        if axis and not dim.HasField("dim_value")
    ]
    if open_axes:
        yield (
            f"input {named(value.name)} leaves the sizes of axes {', '.join(open_axes)} open; only "
            "the batch, axis 0, may be; set them: python -m "
            "onnxruntime.tools.make_dynamic_shape_fixed --dim_param NAME --dim_value SIZE"
        )
    sizes = [dim.dim_value for dim in dims if dim.HasField("dim_value")]
    if any(size < 1 for size in sizes) or prod(sizes) > ELEMENT_LIMIT:
        yield (
            f"input {named(value.name)} has the sizes {shown(sizes)}; each must be at least 1, and "
            f"their product at most {ELEMENT_LIMIT}"
        )
    elif dims and dims[0].HasField("dim_value") and dims[0].dim_value != 1:
        yield (
            f"input {named(value.name)} takes batches of {dims[0].dim_value}; export with a batch "
            "of 1, or with an open axis 0"
        )


def _tensor_faults(model: Any) -> Iterator[str]:
    elements = 0
    for tensor in tensors_of(model):
        if tensor.data_type == tensor.STRING:
            yield f"tensor {named(tensor.name)} holds strings; a net computes with numbers"
        if any(size < 0 for size in tensor.dims):
            yield f"tensor {named(tensor.name)} has the sizes {shown(list(tensor.dims))}"
            continue
        elements += prod(tensor.dims)
    if elements > ELEMENT_LIMIT:
        yield f"its tensors have {elements} elements; the limit is {ELEMENT_LIMIT}"
    sparse = [tensor.values.name for tensor in model.graph.sparse_initializer]
    if sparse:
        yield f"constants {listed(sparse)} are stored sparsely; store them densely"
    for node in model.graph.node:
        if any(attribute.ref_attr_name for attribute in node.attribute):
            yield f"{title_of(node)}, a {node.op_type}, has attributes of a function it is not in"
        kinds = {attribute.type for attribute in node.attribute}
        if kinds & {5, 10}:  # a graph, graphs
            yield (
                f"{title_of(node)} is a {node.op_type}, which holds graphs of its own; export the "
                "net without branches and loops that depend on values"
            )
        if kinds & {11, 12, 13, 14}:  # sparse tensors, types
            yield f"{title_of(node)}, a {node.op_type}, has attributes of sparse tensors or types"


def _name_faults(graph: Any) -> Iterator[str]:
    """Yield which values have two origins or none, and too many nodes."""
    if len(graph.node) > NODE_LIMIT:
        yield f"the model has {len(graph.node)} nodes; the limit is {NODE_LIMIT}"
    stored = [tensor.name for tensor in graph.initializer]
    free = {value.name for value in graph.input} - set(stored)
    made = [name for node in graph.node for name in node.output if name]
    origins = Counter([*stored, *free, *made])
    if twice := [name for name, number in origins.items() if number > 1]:
        yield f"values {listed(twice)} are defined more than once; give each a name of its own"
    for node in graph.node:
        if missing := [name for name in node.input if name and name not in origins]:
            yield f"{title_of(node)} takes {listed(missing)}, which nothing defines"
    if missing := [value.name for value in graph.output if value.name not in origins]:
        yield f"outputs {listed(missing)} are not defined by any node"


class LoopError(ValueError):
    """Nodes take each other's values in a circle; the message names them."""


def in_order(nodes: list[Any]) -> list[Any]:
    """Return nodes so that each comes after those whose values it takes, else as they were.

    Raises
    ------
    LoopError
        There is no such order.
    """
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = {
        index: [makers[name] for name in node.input if name in makers]
        for index, node in enumerate(nodes)
    }
    if all(before < index for index, found in needs.items() for before in found):
        return nodes
    try:
        return [nodes[index] for index in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        circle = listed(title_of(nodes[index]) for index in error.args[1])
        raise LoopError(f"{circle} take each other's values in a circle") from None


def needed(nodes: list[Any], outputs: Iterable[str]) -> list[Any]:
    """Return the nodes, in an order in which they can run, on whose values the outputs depend."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(name for name in node.input if name)
    return kept[::-1]
