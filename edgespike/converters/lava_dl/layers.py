"""The layers of a ``.net`` file as netx of lava-dl 0.6.0 reads them (``netx/hdf5.py``), checked.

netx reads a field of ``int`` type by cutting off fractions, lets most missing fields fail inside
numpy, and leaves some fields out. Here each of these is a violation, with its path in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from edgespike.converters.lava_dl.fields import Fields
from edgespike.converters.lava_dl.neurons import DECAY_ONE, DEFAULT_NEURONS, neurons_of
from edgespike.converters.lava_dl.records import (
    INPUT_WEIGHT,
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    InputLayer,
    Layer,
)
from edgespike.converters.lava_dl.stored import StoredLayer, StoredNet
from edgespike.errors import shown
from edgespike.graph.tensor import Integers

COUNT_HIGH = 127
"""Lava 0.10 keeps kernel, stride, padding, dilation and groups of a convolution in 8 signed bits
and does not check them (``lava/proc/conv/models.py``)."""

DELAY_HIGH = 62
"""Largest delay of a synapse; netx clips others to it."""

BIAS_LOW, BIAS_HIGH = -(2**15), 2**15 - 1
"""Lava's LIF keeps biases in 16 bits, of which the chips have 13."""

WEIGHT_HIGH = 2**23 - 1
"""Largest magnitude of a weight of a convolution; Lava's sums have 24 bits."""


def layers_of(net: StoredNet, violations: list[str]) -> list[Layer]:
    """Return the layers of a file without those that netx does not run, which are violations."""
    found = [_layer(stored, violations) for stored in net.layers]
    for index, layer in enumerate(found):
        if isinstance(layer, InputLayer) and index:
            violations.append(f"{layer.path} is an input, which must be the first layer")
        last = index == len(found) - 1
        if isinstance(layer, DenseLayer) and not layer.stated and not last:
            violations.append(
                f"{layer.path} has no neurons; netx gives it neurons that never fire, so only the "
                "last layer may be without"
            )
        after = found[index + 1] if not last else None
        if isinstance(layer, FlattenLayer) and after and not isinstance(after, DenseLayer):
            violations.append(f"{layer.path} flattens; only a dense layer may follow")
    return [layer for layer in found if layer is not None]


def _layer(stored: StoredLayer, violations: list[str]) -> Layer | None:
    kind = stored.fields.get("type")
    if not isinstance(kind, str):
        violations.append(
            f"{stored.path}/type is missing; it is one of {', '.join(LAYERS)}: write the file "
            "with lava-dl's export_hdf5"
        )
        return None
    if kind in LAYERS:
        return LAYERS[kind](stored, Fields(stored.path, stored.fields, violations))
    reason = REFUSED_LAYERS.get(kind, f"has type {shown(kind)}, which netx does not know")
    violations.append(f"{stored.path} {reason}; there are {', '.join(LAYERS)}")
    return None


def _input(stored: StoredLayer, fields: Fields) -> InputLayer | None:
    shape = fields.shape() if "shape" in stored.fields or stored.neuron is not None else None
    if stored.neuron is None:
        return InputLayer(stored.path, shape)
    neurons = neurons_of(stored, fields.violations)
    if neurons is not None:  # the drive is a bias, so there is no current
        neurons = replace(neurons, iDecay=DECAY_ONE)
    weight = fields.integer("weight", 1, 2**16, INPUT_WEIGHT)
    bias = fields.integer("bias", BIAS_LOW, BIAS_HIGH, 0)
    if neurons is None or shape is None or weight is None or bias is None:
        return None
    return InputLayer(stored.path, shape, neurons, weight, bias)


def _dense(stored: StoredLayer, fields: Fields) -> DenseLayer | None:
    shape = fields.shape(any_axes=True)
    neurons = neurons_of(stored, fields.violations) if stored.neuron else DEFAULT_NEURONS
    if shape is None:
        return None
    outputs = int(np.prod(shape))
    bias = _bias(fields, outputs, spread=True)
    weight = fields.matrix("weight", outputs)
    recurrent = None
    if stored.fields["type"] == "dense_rec":
        recurrent = fields.matrix("weight_rec", outputs)
        if recurrent is not None and recurrent.shape[1] != outputs:
            fields.refuse(f"/weight_rec has shape {recurrent.shape}; give ({outputs}, {outputs})")
            recurrent = None
        if recurrent is None:
            return None
    if weight is None or neurons is None or bias is None:
        return None
    fields.check_kept(weight if recurrent is None else np.hstack((weight, recurrent)))
    delay = _delay(fields, weight)
    if delay is not None and recurrent is not None:
        fields.refuse(
            "/delay delays a recurrent layer, whose netx block takes none of it; leave it out"
        )
    return DenseLayer(
        stored.path, weight, bias, neurons, stored.neuron is not None, recurrent, delay
    )


def _delay(fields: Fields, weight: Integers) -> Integers | None:
    """Return the delay of each synapse as netx spreads one, or one for each output or input."""
    delay = fields.numbers("delay", 0, DELAY_HIGH)
    if delay is None or not delay.any():
        return None
    outputs, inputs = weight.shape
    if delay.shape == (outputs,):
        delay = delay[:, None]
    if delay.shape not in ((), (outputs, 1), (inputs,), weight.shape):
        fields.refuse(
            f"/delay has shape {delay.shape}; give one number, one for each of {outputs} outputs "
            f"or {inputs} inputs, or one for each weight"
        )
        return None
    return np.broadcast_to(delay, weight.shape)


def _conv(stored: StoredLayer, fields: Fields) -> ConvLayer | None:
    shape = fields.shape()
    neurons = neurons_of(stored, fields.violations)
    weight = fields.numbers("weight", -WEIGHT_HIGH, WEIGHT_HIGH, required=True)
    if weight is not None and weight.ndim == 5 and weight.shape[4] == 1:
        weight = weight[..., 0]
    if weight is not None and weight.ndim != 4:
        fields.refuse(
            f"/weight has shape {weight.shape}; give (outputs, inputs, height, width), and perhaps "
            "a fifth axis of 1"
        )
        weight = None
    if weight is not None and max(weight.shape[2:]) > COUNT_HIGH:
        fields.refuse(f"/weight has windows {weight.shape[2:]}; Lava's limit is {COUNT_HIGH}")
    bias = None if weight is None else _bias(fields, len(weight))
    stride, dilation = fields.pair("stride", 1, COUNT_HIGH), fields.pair("dilation", 1, COUNT_HIGH)
    padding = fields.pair("padding", 0, COUNT_HIGH // 2)
    groups = fields.integer("groups", 1, COUNT_HIGH)
    delay = fields.numbers("delay", 0, DELAY_HIGH)
    if delay is not None and delay.any():
        fields.refuse("/delay delays a convolution, which netx leaves out; train it without delays")
    if shape is None or neurons is None or weight is None or bias is None or groups is None:
        return None
    if stride is None or dilation is None or padding is None:
        return None
    return ConvLayer(stored.path, weight, bias, neurons, shape, stride, padding, dilation, groups)


def _bias(fields: Fields, outputs: int, *, spread: bool = False) -> Integers | None:
    """Return one bias for each output; a dense layer's may be one for all."""
    bias = fields.numbers("bias", BIAS_LOW, BIAS_HIGH)
    if bias is None:
        return None if fields.has("bias") else np.zeros(outputs, np.int64)
    if bias.shape == (outputs,) or (spread and bias.shape in ((), (1,))):
        return np.broadcast_to(bias, (outputs,))
    fields.refuse(f"/bias has shape {bias.shape}; give one for each of the {outputs} outputs")
    return None


def _flatten(stored: StoredLayer, fields: Fields) -> FlattenLayer:
    return FlattenLayer(stored.path)


LAYERS: Mapping[str, Callable[[StoredLayer, Fields], Layer | None]] = {
    "input": _input,
    "dense": _dense,
    "dense_rec": _dense,
    "conv": _conv,
    "flatten": _flatten,
}
"""What each type of layer is read by."""

REFUSED_LAYERS = {
    "pool": "is a pool, which netx of lava-dl 0.6.0 does not run: use a convolution with stride",
    "average": "is an average, which netx of lava-dl 0.6.0 does not run: leave it out",
    "concat": "is a concatenation, which netx of lava-dl 0.6.0 does not run",
    "convT": "is a transposed convolution, which netx of lava-dl 0.6.0 does not run",
    "unpool": "is an unpool, which netx of lava-dl 0.6.0 does not run",
    "dense_comp": "has complex weights, which only resonate-and-fire neurons take",
}
"""Types of layers that lava-dl writes, or netx names, and why they are refused."""


def steps_of(net: StoredNet, violations: list[str]) -> Iterator[int]:
    """Yield the steps of a sample, if the file states them: ``tSample / Ts``."""
    fields = Fields("simulation", net.simulation, violations)
    sample = fields.integer("tSample", 1, 2**31, 0)
    step = fields.integer("Ts", 1, 2**31, 1)
    if not sample or not step:
        return
    if sample % step:
        violations.append(
            f"simulation/tSample is {sample}, not a multiple of Ts, {step}; give the steps"
        )
        return
    yield sample // step
