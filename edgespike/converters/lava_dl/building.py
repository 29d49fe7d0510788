"""The graph of a ``.net`` file's layers: the same whole numbers at every layer and step.

On Lava every connection takes a step, so layer ``n`` lags behind the input by ``n`` steps. In a
graph spikes arrive at the step at which they leave; the lag of a layer is left out. What Lava
computes beyond a graph's operations, a current that wraps around, is proven not to happen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from typing_extensions import assert_never

from edgespike.converters.builder import GraphBuilder
from edgespike.converters.lava_dl.membranes import (
    Spiking,
    answering,
    current_violations,
    spiking,
)
from edgespike.converters.lava_dl.records import (
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    InputLayer,
    Layer,
)
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Readout,
    ReadoutMode,
    Reshape,
    Threshold,
)
from edgespike.graph.tensor import Integers, Signal, Tensor

DENSE_IDENTITY_LIMIT = 1024
"""Up to so many values, a layer that passes them on one by one is dense; else a convolution."""

LEVELS_LIMIT = 255
"""Most levels above the lowest of values that are delayed by several steps."""


@dataclass
class NetBuilder:
    """Adds the layers of a file to a graph.

    Parameters
    ----------
    builder
        The graph so far.
    nodes
        The node that has each layer's spikes, or the potentials of the last one, by path.
    """

    builder: GraphBuilder
    nodes: dict[str, str] = field(default_factory=dict)

    def add(self, layer: Layer, answer: str) -> None:
        """Add a layer.

        Parameters
        ----------
        answer
            "potential" for the last layer, if its potentials answer; else "".
        """
        match layer:
            case InputLayer():
                if layer.neurons is not None:
                    bias = np.full(self.builder.tensor.shape[0], layer.bias)
                    way = spiking(layer.neurons, bias)
                    self._one_by_one(layer.path, way)
                    self._fire(layer.path, way)
            case FlattenLayer():
                if len(self.builder.tensor.shape) == 1:
                    raise ConversionStoppedError(
                        f"{layer.path} flattens what has one axis, which netx cannot do; leave it "
                        "out"
                    )
                self.builder.append(layer.path, "flatten", Reshape((self.builder.tensor.size,)))
            case ConvLayer():
                way = self._way(layer, answer)
                self._convolve(layer, way)
                self._end(layer.path, way, answer)
            case DenseLayer():
                way = self._way(layer, answer)
                self._check_inputs(layer)
                # What answers with its potential is proven never to fire: its loop is silent.
                self._connect(replace(layer, recurrent=None) if answer else layer, way)
                self._end(layer.path, way, answer)
            case _:
                assert_never(layer)

    def _way(self, layer: ConvLayer | DenseLayer, answer: str) -> Spiking:
        if answer:
            return answering(layer.neurons, layer.bias)
        return spiking(layer.neurons, layer.bias)

    def _end(self, path: str, way: Spiking, answer: str) -> None:
        if not answer:
            self._fire(path, way)
            return
        builder = self.builder
        self._check_current(path, way)
        if len(builder.tensor.shape) > 1:
            builder.append(path, "row", Reshape((builder.tensor.size,)))
        way = way.in_a_row(builder.tensor.size)
        builder.violations += way.answer_violations(path, builder.tensor, builder.steps)
        if builder.violations:
            return
        summed = way.is_sum(builder.tensor, builder.steps)
        if not summed:
            builder.append(path, "potential", way.potential())
        scale = np.full(builder.tensor.size, 1.0 if summed else 2.0**-way.fraction_bits)
        mode = ReadoutMode.SUM if summed else ReadoutMode.LAST
        builder.append(path, "readout", Readout(scale, mode))
        self.nodes[path] = builder.last

    def count_spikes(self, path: str) -> None:
        """End with the count of the last layer's spikes."""
        builder = self.builder
        if len(builder.tensor.shape) > 1:
            builder.append(path, "row", Reshape((builder.tensor.size,)))
        size = builder.tensor.size
        if size > DENSE_IDENTITY_LIMIT:
            builder.append(path, "row", Reshape((1, 1, size)))
            ones = Conv2d(np.ones((1, 1, 1, 1), np.int64), np.zeros(1, np.int64))
            builder.append(path, "count", ones)
            builder.append(path, "row", Reshape((size,)))
        else:
            each = Dense(np.eye(size, dtype=np.int64), np.zeros(size, np.int64))
            builder.append(path, "count", each)
        builder.append(path, "readout", Readout(np.ones(size)))

    def _fire(self, path: str, way: Spiking) -> None:
        self._check_current(path, way)
        faults = way.violations(path, self.builder.tensor, self.builder.steps)
        self.builder.violations += faults
        self.builder.append(path, "spikes", way.membrane(self.builder.tensor))
        self.nodes[path] = self.builder.last

    def _check_current(self, path: str, way: Spiking) -> None:
        faults = current_violations(path, way, self.builder.tensor, self.builder.steps)
        self.builder.violations += faults

    def _one_by_one(self, path: str, way: Spiking) -> None:
        """Drive each neuron by its own input, with weight 1."""
        builder, shape = self.builder, self.builder.tensor.shape
        if len(shape) == 1 and math.prod(shape) <= DENSE_IDENTITY_LIMIT:
            weight = np.eye(shape[0], dtype=np.int64) * way.unit
            builder.append(path, "drive", Dense(weight, way.summed_bias))
            return
        row = len(shape) == 1
        if row:
            builder.append(path, "row", Reshape((1, 1, shape[0])))
        channels = builder.tensor.shape[0]
        weight = np.full((channels, 1, 1, 1), way.unit, np.int64)
        builder.append(path, "drive", Conv2d(weight, way.summed_bias[:channels], groups=channels))
        if row:
            builder.append(path, "row", Reshape(shape))

    def _convolve(self, layer: ConvLayer, way: Spiking) -> None:
        op = Conv2d(
            layer.weight * way.unit,
            way.summed_bias,
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        )
        self.builder.append(layer.path, "conv", op)
        if self.builder.tensor.shape != layer.shape:
            raise ConversionStoppedError(
                f"{layer.path}/shape is {layer.shape}, its weights make "
                f"{self.builder.tensor.shape} of the layer before; they must be equal"
            )

    def _check_inputs(self, layer: DenseLayer) -> None:
        """Refuse a dense layer on an image, whose order would be left open."""
        builder = self.builder
        shape = builder.tensor.shape
        if len(shape) > 1:
            raise ConversionStoppedError(
                f"{layer.path} is dense and follows {shape}; put a flatten layer before it"
            )
        if layer.weight.shape[1] != shape[0]:
            raise ConversionStoppedError(
                f"{layer.path}/weight takes {layer.weight.shape[1]} inputs, the layer before "
                f"gives {shape[0]}; they must be equal"
            )

    def _connect(self, layer: DenseLayer, way: Spiking) -> None:
        """Add the synapses of a dense layer, those of each delay and its own ones."""
        builder, sums, bias = self.builder, [], way.summed_bias
        sources = self._delayed(layer)
        own = self._own_spikes(layer)
        parts: list[tuple[str, Integers]] = [
            (
                source,
                np.where(layer.delay == delay, layer.weight, 0)
                if layer.delay is not None
                else layer.weight,
            )
            for delay, source in sources.items()
        ]
        if layer.recurrent is not None:
            parts.append((own, layer.recurrent))
        for source, weight in parts:
            builder.last = source
            builder.append(layer.path, "dense", Dense(weight * way.unit, bias))
            bias = np.zeros_like(bias)
            sums.append(builder.last)
        if len(sums) > 1:
            builder.append(layer.path, "sum", Add(), tuple(sums[:-1]))

    def _delayed(self, layer: DenseLayer) -> dict[int, str]:
        """Return the node of the layer's input at each delay that its synapses have."""
        builder = self.builder
        if layer.delay is None:
            return {0: builder.last}
        found, wanted = {0: builder.last}, set(np.unique(layer.delay).tolist())
        for delay in range(1, max(wanted) + 1):
            if not builder.nodes[-1].op.emits_events:  # a delay takes the events of neurons only
                builder.append(layer.path, "passed", same_levels(builder.tensor, layer.path))
            builder.append_delay(layer.path, Delay.behind(builder.tensor), builder.last)
            found[delay] = builder.last
        return {delay: found[delay] for delay in sorted(wanted)}

    def _own_spikes(self, layer: DenseLayer) -> str:
        """Return the node of the layer's own spikes of the step before."""
        if layer.recurrent is None:
            return ""
        delay = Delay((len(layer.weight),), 0, 1, Signal.SPIKES)
        self.builder.append_delay(layer.path, delay, self.builder.upcoming("spikes"))
        return self.builder.last


def same_levels(tensor: Tensor, path: str) -> Threshold:
    """Return thresholds whose levels are the values that they receive.

    Raises
    ------
    ConversionStoppedError
        The values have more than :data:`LEVELS_LIMIT` levels.
    """
    low, high = tensor.bounds
    if high - low > LEVELS_LIMIT:
        raise ConversionStoppedError(
            f"{path}/delay delays inputs of {low}..{high} by more than a step; the limit is "
            f"{LEVELS_LIMIT} levels above the lowest, use spikes or a smaller input_range"
        )
    channels = tensor.shape[0]
    theta = np.broadcast_to(np.arange(low, max(high, low + 1)) + 1, (channels, max(high - low, 1)))
    return Threshold(theta.copy(), np.zeros(channels, bool), offset=low)
