"""Recurrent layers, and the choice of their last step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgespike.converters.floats import UnreadableError
from edgespike.converters.torch.constants import floats
from edgespike.converters.torch.floats.building import Building, result_shape
from edgespike.converters.torch.floats.patterns import instead_of
from edgespike.converters.torch.floats.values import Call, Value
from edgespike.floats.net import FloatRelu, FloatTanh
from edgespike.floats.recurrent import NODES, recurrent_layer

OPERATORS: dict[str, FloatTanh | FloatRelu] = {"rnn_tanh": FloatTanh(), "rnn_relu": FloatRelu()}
"""What ``torch.nn.RNN`` calls, and its activation."""


def rnn(net: Building, call: Call) -> tuple[Value, Value]:
    """Convert the layers of ``torch.nn.RNN`` to their last one's steps and all last states."""
    if faults := list(_faults(call)):
        raise UnreadableError("; it ".join(faults))
    value, params = call["input"], [floats(x) for x in call["params"]]
    each = len(params) // int(call["num_layers"])
    states: list[Value] = []
    for start in range(0, len(params), each):
        weight, recurrent, *biases = params[start : start + each]
        zeros = np.zeros(len(weight))
        first, second = biases or (zeros, zeros)
        names = [net.new_name(call) for _ in range(NODES)]
        source = states[-1].node if states else value.node
        op = OPERATORS[call.operator]
        net.nodes += recurrent_layer(
            names, source, op, (weight, recurrent), (first, second), call.label
        )
        states.append(Value(names[-1], weight.shape[:1], weight.shape[:1]))
    last = states[-1]
    sequence = Value(last.node, (value.shape[0], *last.shape), last.stored, steps=value.steps)
    return sequence, Value(last.node, last.shape, last.stored, layers=tuple(states))


def _faults(call: Call) -> Iterator[str]:
    value = call["input"]
    if not call["batch_first"]:
        yield "takes the steps first; create it with batch_first=True"
    elif not isinstance(value, Value) or len(value.shape) != 2 or len(value.stored) != 1:
        yield (
            "receives values that are not the steps of the input; give samples (steps, features), "
            "and let nothing stand before it"
        )
    if call["bidirectional"]:
        yield "runs in both directions; a graph knows no later step, so use one"
    state = call["hx"]
    if isinstance(state, Value) or floats(state).any():
        yield "has a first state; a graph begins each sample with zeros, so leave it out"


def select(net: Building, call: Call) -> Any:
    """Convert ``x[:, -1]`` of a sequence, and ``h[-1]`` of the last states."""
    value, axis, index = call["self"], int(call["dim"]), int(call["index"])
    if isinstance(value, Value) and value.layers and axis == 0:
        return value.layers[index]
    if isinstance(value, Value) and len(value.shape) == 2 and len(value.stored) == 1:
        last = index in (-1, value.steps - 1)
        if axis in (1, -2) and last and not value.layers:
            return Value(value.node, value.shape[1:], value.stored)
    raise UnreadableError(f"takes a part of the values: {instead_of('select')}")


def squeeze(net: Building, call: Call) -> Any:
    """Convert ``h.squeeze(0)`` of the last state of a single layer, and any other squeeze."""
    value = call["self"]
    if isinstance(value, Value) and len(value.layers) == 1 and call.get("dim") == 0:
        return value.layers[0]
    return net.reshaped(call, call.unpadded("self"), result_shape(call))
