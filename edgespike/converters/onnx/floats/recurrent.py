"""Layers whose values depend on those of the step before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.floats.building import Building, as_reals
from edgespike.converters.onnx.floats.values import Value, in_order, ordered
from edgespike.converters.onnx.model import OnnxNode
from edgespike.errors import shown
from edgespike.floats.net import FloatRelu, FloatTanh
from edgespike.floats.recurrent import NODES, recurrent_layer

ACTIVATIONS: dict[str, FloatTanh | FloatRelu] = {"tanh": FloatTanh(), "relu": FloatRelu()}
"""Of an RNN, by their names in small letters."""


def rnn(net: Building, node: OnnxNode) -> Value:
    """Convert a recurrent layer, ``h = f(W x + R h_before + biases)``, at every step.

    Its second output, the last state, becomes a value too.
    """
    names = [name.lower() for name in node.attributes.get("activations", ("tanh",))]
    if faults := list(_faults(net, node, names)):
        raise UnreadableError("; it ".join(faults))
    x = _sequence(net, node)
    weight, recurrent, biases = (net.reals(node, n, "weights") for n in (1, 2, 3))
    hidden = node.attributes.get("hidden_size", np.shape(weight)[1] if np.ndim(weight) == 3 else 0)
    biases = np.zeros((1, 2 * hidden)) if biases is None else biases
    expected = ((1, hidden, *x.stored), (1, hidden, hidden), (1, 2 * hidden))
    shapes = tuple(np.shape(values) for values in (weight, recurrent, biases))
    if shapes != expected:
        raise UnreadableError(f"has weights of shapes {shown(shapes)}; expected {expected}")
    first, second = biases.reshape(2, hidden)
    layer = recurrent_layer(
        [net.new_name(node) for _ in range(NODES)],
        x.node,
        ACTIVATIONS[names[0]],
        (weight[0], recurrent[0]),
        (first, second),
        node.title,
    )
    net.nodes += layer
    state, by_batch = layer[-1].name, node.attributes.get("layout", 0)
    last = Value(state, (hidden,), ordered((1, 1, hidden)))
    net.found.update(dict.fromkeys(filter(None, node.outputs[1:]), last))
    shape = (1, x.steps, 1, hidden) if by_batch else (x.steps, 1, 1, hidden)
    return Value(state, (hidden,), ordered(shape), steps=x.steps)


def _faults(net: Building, node: OnnxNode, activations: list[str]) -> Iterator[str]:
    direction = node.attributes.get("direction", "forward")
    if direction != "forward":
        yield f"runs in the direction {shown(direction)}; a graph knows no later step, so use one"
    elif set(activations) - set(ACTIVATIONS):
        yield f"has the activations {shown(activations)}; use Tanh or Relu"
    if node.attributes.get("clip"):
        yield f"clips what its activation takes to {node.attributes['clip']}; leave it out"
    inputs = (*node.inputs, *("",) * 3)
    if inputs[4]:
        yield "has sequence_lens; all samples have the same number of steps, so leave it out"
    if inputs[5] and (net.depends(inputs[5]) or as_reals(net.model.constants[inputs[5]]).any()):
        yield "has a first state, initial_h; a graph begins each sample with zeros, so leave it out"


def _sequence(net: Building, node: OnnxNode) -> Value:
    """Return the values that a layer takes, step by step.

    Raises
    ------
    UnreadableError
        They are none of the input's steps, one after the other.
    """
    value = net.unpadded(node, of_steps=True)
    steps = net.steps
    size = value.elements.size // steps
    expected = (1, steps, size) if node.attributes.get("layout", 0) else (steps, 1, size)
    if value.steps != steps or value.shape != expected or not in_order(value.elements):
        raise UnreadableError(
            f"receives values of shape {value.shape}, which are not the input's steps in their "
            "order, (steps, 1, features); let the file take (batch, steps, features), and export "
            "with batch_first=True"
        )
    return value
