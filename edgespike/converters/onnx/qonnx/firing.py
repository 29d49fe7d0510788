"""From a value and a quantiser to thresholds of the graph."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from edgespike.converters.builder import label_of_neurons
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.fields import at
from edgespike.converters.onnx.qonnx.quantisers import Quantiser
from edgespike.converters.onnx.qonnx.state import Activation, Part, State
from edgespike.converters.onnx.qonnx.steps import Line, Pool
from edgespike.converters.onnx.qonnx.thresholds import find
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Threshold
from edgespike.graph.tensor import Tensor

PARTS_LIMIT = 2**8
"""Most parts that a level is divided into so that 0 is a whole number of them."""


def fire(
    state: State, node: OnnxNode, x: Activation, quantiser: Quantiser, *, from_zero: bool = False
) -> Activation:
    """Append the thresholds of a quantiser, and the pools that wait before it.

    Parameters
    ----------
    from_zero
        Whether no level may be negative; what they stand for is then moved.
    """
    _check_pools(node, x, quantiser)
    lowest, theta, flipped, unsure = find(state, node, x, quantiser)
    pools = [step.op for step in x.steps if isinstance(step, Pool)]
    channels, zero = state.channels(x), quantiser.zero
    parts = zero.denominator
    offset = parts * (lowest - zero)
    factor = tuple(at(quantiser.factor, channel) for channel in range(channels))
    if parts <= PARTS_LIMIT and (offset >= 0 or not (pools or from_zero)):
        op = Threshold(theta, flipped, int(offset), parts)
        line = Line(tuple(f / parts for f in factor), (Fraction(0),) * channels)
    else:
        op = Threshold(theta, flipped)
        line = Line(factor, tuple(f * (lowest - zero) for f in factor))
    if not pools and not from_zero and _changes_nothing(state, x, op, line):
        state.parts.append(Part(node.title, node.outputs[0], x, x.node, unsure))
        return x
    name = state.append(node.title, label_of_neurons(op.levels), op, x.node)
    for pool in pools:
        name = state.append(node.title, "pool", pool, name)
    fired = Activation(name, x.axes, (line,), x.order)
    state.parts.append(Part(node.title, node.outputs[0], fired, x.node, unsure))
    return fired


def _check_pools(node: OnnxNode, x: Activation, quantiser: Quantiser) -> None:
    places = [i for i, step in enumerate(x.steps) if isinstance(step, Pool)]
    after = x.steps[places[0] :] if places else ()
    if any(isinstance(step, Line) and min(step.factor) < 0 for step in after):
        raise ConversionStoppedError(
            f"{node.title} follows a MaxPool and a negative factor, so that it quantises the "
            "smallest of each window; pool after it"
        )


def _changes_nothing(state: State, x: Activation, op: Threshold, line: Line) -> bool:
    """Return whether thresholds give each event the value that it has already."""
    tensor, before = state.tensor(x), state.line_of(x)
    if not tensor.signal.is_event or before is None or op.flipped.any():
        return False
    return all(_is_identity(tensor, before, op, line, channel) for channel in range(len(op.theta)))


def _is_identity(tensor: Tensor, before: Line, op: Threshold, line: Line, channel: int) -> bool:
    low, high = int(tensor.low[channel]), int(tensor.high[channel])
    theta = op.theta[channel]
    within = theta[(theta > low) & (theta <= high)]
    if len(within) != high - low or (np.diff(within) != 1).any():
        return False
    first = op.offset + op.unit * int((theta <= low).sum())
    factor = line.factor[channel]
    return factor * op.unit == before.factor[channel] and (
        factor * first + line.offset[channel]
        == before.factor[channel] * low + before.offset[channel]
    )
