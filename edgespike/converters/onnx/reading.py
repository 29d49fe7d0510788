"""From an ONNX file to an :class:`OnnxModel`: the part that is the same for every kind of net."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.folding import Folding
from edgespike.converters.onnx.functions import FunctionError, inlined
from edgespike.converters.onnx.loading import array_of, load_model, shown_line
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.converters.onnx.shapes import Inferred, only_shapes
from edgespike.converters.onnx.structure import (
    LoopError,
    domain_of,
    in_order,
    listed,
    needed,
    structure_faults,
    title_of,
)
from edgespike.errors import FileFormatError, UnsupportedError, named

VALUE_LIMIT = 2**26
"""Most elements of all values that a net computes of one sample."""


def read_onnx(path: Path) -> OnnxModel:
    """Return the net of an ONNX file.

    Nodes that only compute constants are computed, if their operators are in
    :data:`edgespike.converters.onnx.folding.FOLDED`; nodes that pass a value on are left out.

    Raises
    ------
    EnvironmentMissingError
        onnx is not installed.
    FileFormatError
        The file cannot be read, is truncated, damaged or larger than a limit.
    UnsupportedError
        The net has what no converter reads: other versions of the operators, several inputs,
        branches and loops, sizes that are not known, and others; all of them are listed.
    """
    model = load_model(path)
    faults = []
    try:
        model = inlined(model)
    except FunctionError as error:
        faults.append(str(error))
    faults += structure_faults(model)
    try:
        nodes = in_order(list(model.graph.node))
    except LoopError as error:
        faults.append(str(error))
    if faults:
        raise UnsupportedError(_what(path), faults)
    return _read(path, model, nodes)


def _what(path: Path) -> str:
    return f"{path} cannot be converted"


def _read(path: Path, model: Any, nodes: list[Any]) -> OnnxModel:
    (output,) = (value.name for value in model.graph.output)
    stored = {tensor.name for tensor in model.graph.initializer}
    (start,) = (value.name for value in model.graph.input if value.name not in stored)
    _put_nodes(model, needed(nodes, [output]))
    _name_versions(model)
    folding = Folding(model)
    _check(path, model)
    only_shapes(model, start)
    inferred = folding.fold()
    _put_nodes(model, needed(list(model.graph.node), [output]))
    faults = [*folding.faults, *_shape_faults(model, inferred)]
    if output in folding.constants or output == start:
        faults.append(f"output {named(output)} does not depend on the input through any node")
    if faults:
        raise UnsupportedError(_what(path), faults)
    aliases = _passed_on(model, inferred, folding.constants)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    read = tuple(
        _node(node, versions, aliases) for node in model.graph.node if node.output[0] not in aliases
    )
    used = {name for node in read for name in node.inputs}
    return OnnxModel(
        nodes=read,
        constants={name: value for name, value in folding.constants.items() if name in used},
        shapes=inferred.shapes,
        types=_type_names(inferred.types),
        input=start,
        output=aliases.get(output, output),
        producer=" ".join(filter(None, (model.producer_name, model.producer_version))),
        path=path,
    )


def _put_nodes(model: Any, nodes: Iterable[Any]) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _name_versions(model: Any) -> None:
    """Put versions to domains that the file uses and does not list: 1, as qonnx takes them."""
    known = {entry.domain for entry in model.opset_import}
    for domain in {node.domain for node in model.graph.node} - known:
        if domain == "ai.onnx" or (domain == "" and "ai.onnx" in known):
            continue
        model.opset_import.add(domain=domain, version=1)


def _check(path: Path, model: Any) -> None:
    """Let onnx say whether the file follows its specification, claims of sizes apart."""
    import onnx

    del model.graph.value_info[:]
    for value in model.graph.output:
        if value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.shape.SetInParent()  # several programs leave it out
    try:
        onnx.checker.check_model(model)
    # Its C++ code raises several types.
    except Exception as error:
        raise FileFormatError(
            f"{path} does not follow ONNX's specification ({shown_line(error)}); export it again"
        ) from error


def _shape_faults(model: Any, inferred: Inferred) -> Iterator[str]:
    """Yield the nodes whose values have sizes that are not known before they run."""
    if inferred.fault:
        yield f"its shapes do not fit together: {inferred.fault}"
        return
    unknown: set[str] = set()
    for node in model.graph.node:
        open_values = [n for n in node.output if n and n not in inferred.shapes]
        if open_values and domain_of(node):
            yield (
                f"{title_of(node)} is a {node.op_type} of {node.domain}, which is not read; export "
                "the net before a runtime optimises it"
            )
        elif open_values and not unknown & set(node.input):
            yield (
                f"{title_of(node)}, a {node.op_type}, gives values ({listed(open_values)}) of a "
                "size that is not known before it runs; export with fixed sizes"
            )
        unknown.update(open_values)
    made = [name for node in model.graph.node for name in node.output]
    shapes = {name: inferred.shapes[name] for name in made if name in inferred.shapes}
    if empty := [name for name, shape in shapes.items() if min(shape, default=1) < 1]:
        yield f"values {listed(empty)} have no elements; give every axis a size of at least 1"
    elements = sum(prod(shape) for shape in shapes.values())
    if elements > VALUE_LIMIT:
        largest = max(shapes, key=lambda name: prod(shapes[name]))
        yield (
            f"all values of a sample have {elements} elements, {named(largest)} the most; the "
            f"limit is {VALUE_LIMIT}"
        )


_REALS = (1, 11)
"""float32 and float64, by their numbers in ONNX."""


def _passed_on(
    model: Any, inferred: Inferred, constants: Mapping[str, NDArray[Any]]
) -> dict[str, str]:
    """Return the values that equal another, and which: of Identity, Dropout, Cast of reals."""
    used = {name for node in model.graph.node for name in node.input}
    aliases: dict[str, str] = {}
    for node in model.graph.node:
        if not domain_of(node) and _passes_on(node, inferred, constants, used):
            source = node.input[0]
            aliases[node.output[0]] = aliases.get(source, source)
    return aliases


def _passes_on(
    node: Any, inferred: Inferred, constants: Mapping[str, NDArray[Any]], used: set[str]
) -> bool:
    match node.op_type:
        case "Identity":
            return True
        case "Dropout":
            trains = node.input[2] if len(node.input) > 2 else ""
            at_rest = not trains or (trains in constants and not np.any(constants[trains]))
            return at_rest and not used & set(node.output[1:])
        case "Cast":
            kinds = (inferred.types.get(node.input[0]), inferred.types.get(node.output[0]))
            return all(kind in _REALS for kind in kinds)
        case _:
            return False


def _node(node: Any, versions: Mapping[str, int], aliases: Mapping[str, str]) -> OnnxNode:
    domain = domain_of(node)
    version = versions.get(node.domain, versions.get(domain or "ai.onnx", 1))
    return OnnxNode(
        title=title_of(node),
        op=node.op_type,
        domain=domain,
        version=version,
        inputs=tuple(aliases.get(name, name) for name in node.input),
        outputs=tuple(node.output),
        attributes={attribute.name: _attribute(attribute) for attribute in node.attribute},
    )


def _attribute(attribute: Any) -> Any:
    """Return a number, a text, a tuple of them, or an array."""
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if attribute.type == attribute.TENSOR:
        return array_of(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float):
        return value
    return tuple(one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in value)


def _type_names(types: Mapping[str, int]) -> dict[str, str]:
    """Return types by the names that ONNX gives them, in small letters."""
    from onnx import TensorProto

    return {name: TensorProto.DataType.Name(kind).lower() for name, kind in types.items() if kind}
