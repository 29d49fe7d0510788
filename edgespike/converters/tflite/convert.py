"""A TFLite file as a net of stored numbers, with what was found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.tflite.building import SHAPE_KINDS, NetBuilder, UnknownValueError
from edgespike.converters.tflite.ends import Ends
from edgespike.converters.tflite.kernels import Kernels
from edgespike.converters.tflite.layout import Value, places, plain
from edgespike.converters.tflite.model import TfliteModel, TfliteOperator, TfliteTensor
from edgespike.converters.tflite.precision import fault_of_model
from edgespike.converters.tflite.scales import usable
from edgespike.converters.tflite.support import AT_THE_END, SUPPORTED, refusal
from edgespike.errors import UnsupportedError
from edgespike.int8.net import Int8Input, Int8Net, Int8Readout, Int8Reshape

_SHOWN = 5
"""How many tensors an error names."""


@dataclass(frozen=True, eq=False)
class FoundNet:
    """A file's net, and how the two correspond.

    Parameters
    ----------
    net
        The net.
    model
        The file.
    nodes
        The node that has an operator's output, by the operator's number.
    values
        Where the file's tensors are in the net, by number.
    source
        The file's input.
    given
        What the samples are in the net, see :meth:`input_of`.
    """

    net: Int8Net
    model: TfliteModel
    nodes: Mapping[int, str]
    values: Mapping[int, Value]
    source: TfliteTensor
    given: Value

    def input_of(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples of the graph as the file takes them, ``(samples, *shape)``.

        Parameters
        ----------
        samples
            ``(samples, *shape)`` in the net's order, in units of the input's scale.
        """
        ordered = in_file_order(samples.astype(np.int64), self.given)
        shaped = ordered.reshape(len(samples), *self.source.shape[1:])
        if self.source.kind == "FLOAT32":
            return (shaped * np.float32(self.given.stored.scale)).astype(np.float32)
        dtype = np.uint8 if self.source.kind == "UINT8" else np.int8
        return (shaped + self.source.zero_point).astype(dtype)


def in_file_order(values: NDArray[np.int64], value: Value) -> NDArray[np.int64]:
    """Return values of the net, ``(samples, *shape)``, in the file's order, ``(samples, size)``."""
    flat = values.reshape(len(values), -1)
    if value.is_ordered:
        return flat
    ordered = np.empty_like(flat)
    ordered[:, places(value.order)] = flat
    return ordered


def read_net(model: TfliteModel, kernels: Kernels, what: str) -> FoundNet:
    """Return a file's net.

    Parameters
    ----------
    kernels
        Whose arithmetic it has.
    what
        Names the file in errors.

    Raises
    ------
    UnsupportedError
        Lists everything that cannot be converted.
    FileFormatError
        A constant has another size than it should have.
    """
    if fault := fault_of_model(model):
        unread = (each for each in model.operators if each.kind not in {**SUPPORTED, **AT_THE_END})
        faults = [fault, *(f"{each.title}: {refusal(each.kind)}" for each in unread)]
        raise UnsupportedError(f"{what} cannot be converted", faults)
    builder = NetBuilder(model, kernels)
    ends = Ends.of(model)
    source = _begin(builder, ends)
    for operator in model.operators:
        if operator.number not in ends.left_out and operator.kind not in SHAPE_KINDS:
            _add(builder, operator)
    if not builder.violations:
        _end(builder, ends.last)
    if builder.violations or source is None:
        raise UnsupportedError(f"{what} cannot be converted", dict.fromkeys(builder.violations))
    said = (
        f"{len(model.operators)} operators in int8, computed as {kernels.title} do (rounding "
        f"{kernels.name})",
        _samples(source, ends),
        *(f"{each.title} is left out: {why}" for each, why in ends.dropped),
    )
    net = Int8Net(tuple(builder.nodes), said)
    return FoundNet(net, model, builder.operator_nodes, builder.values, ends.source, source)


def _begin(builder: NetBuilder, ends: Ends) -> Value | None:
    """Add the input."""
    model = builder.model
    for what, numbers in (("input", model.inputs), ("output", model.outputs)):
        if len(numbers) != 1:
            titles = ", ".join(model.tensors[number].title for number in numbers[:_SHOWN])
            builder.violations.append(
                f"it has {len(numbers)} {what}s ({titles or 'none'}); one is expected"
            )
    if len(model.inputs) != 1:
        return None
    first = model.tensors[ends.first]
    try:
        for tensor in (ends.source, first):
            builder.check_shape(usable(tensor), None)
            if tensor.size != first.size:
                raise ConversionStoppedError(f"{tensor.title} and {first.title} differ in size")
        stored = builder.stored(first, ("INT8", "UINT8") if ends.may_be_unsigned else ("INT8",))
        found = plain(first.shape[1:])
        if found is None:
            raise ConversionStoppedError(
                f"{first.title} has shape {first.shape}; (1, features), (1, height, width) or "
                "(1, height, width, channels) is expected"
            )
    except ConversionStoppedError as stopped:
        builder.violations.append(f"input: {stopped}")
        return None
    node = builder.add(Int8Input(found[0]), stored, (), first.title, "input")
    value = Value(node, stored, first.shape[1:], *found)
    builder.values[first.number] = value
    return value


def _add(builder: NetBuilder, operator: TfliteOperator) -> None:
    """Add an operator, or say why it cannot be added; what follows from it is left alone."""
    supported = SUPPORTED.get(operator.kind)
    try:
        if supported is None:
            raise ConversionStoppedError(refusal(operator.kind))
        supported.add(builder, operator)
    except ConversionStoppedError as stopped:
        builder.violations.append(f"{operator.title}: {stopped}")
    except UnknownValueError:
        return


def _end(builder: NetBuilder, last: int) -> None:
    """Add the readout."""
    value = builder.values.get(last)
    title = builder.model.tensors[last].title
    if value is None:
        builder.violations.append(f"output: {title} is not computed; the file is damaged")
        return
    if value.node == builder.nodes[0].name:
        builder.violations.append(f"output: {title} is the input; no operator computes anything")
        return
    if value.size != value.shape[0] or not value.is_ordered:
        builder.violations.append(
            f"output: {title} has shape {(1, *value.file_shape)}; one number a class is expected, "
            "pool or flatten and add a dense layer"
        )
        return
    if len(value.shape) > 1:
        op = Int8Reshape((value.size,))
        node = builder.add(op, value.stored, (value.node,), title, "answer_shape")
        value = replace(value, node=node)
    builder.add(Int8Readout(), value.stored, (value.node,), title, "answer")
    used = {name for node in builder.nodes for name in node.inputs}
    builder.violations += [
        f"{node.title}: nothing uses its output; convert the model again"
        for node in builder.nodes[:-1]
        if node.name not in used
    ]


def _samples(value: Value, ends: Ends) -> str:
    """Say how samples must be laid out."""
    source, stored = ends.source, value.stored
    low, high = stored.low - stored.zero_point, stored.high - stored.zero_point
    kind = "real" if source.kind == "FLOAT32" else source.kind.lower()
    change = f"minus the zero point {source.zero_point}"
    if kind == "real":
        change = f"divided by {stored.scale:g} and rounded"
    order = "" if value.is_ordered else ", channels first"
    return (
        f"a sample has shape {value.shape}{order}, and holds {low}..{high}: the file's {kind} "
        f"input of shape {source.shape} {change}"
    )
