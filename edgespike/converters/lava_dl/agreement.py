"""A ``.net`` file computed step by step as Lava does, and compared with its graph.

This is Lava's own arithmetic (lava-nc 0.10.0: ``proc/lif/models.py``, ``proc/conv/models.py``,
``proc/dense/models.py``) in numpy, written without the graph's operations: currents wrap around,
and weights are those of the file. Every layer starts a sample with zeros, as with netx's
``reset_interval``; the step that each connection takes on Lava is left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.converters.base import ConvertOptions
from edgespike.converters.lava_dl.hdf5 import read_net
from edgespike.converters.lava_dl.layers import DELAY_HIGH, layers_of
from edgespike.converters.lava_dl.neurons import LayerNeurons
from edgespike.converters.lava_dl.reading import read_graph
from edgespike.converters.lava_dl.records import (
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    InputLayer,
    Layer,
)
from edgespike.converters.result import PartCheck
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret

HALF = 2**23
"""Where currents wrap around, in 1/64; potentials saturate one below."""


def check_file(path: Path, samples: NDArray[Any], options: ConvertOptions) -> list[PartCheck]:
    """Compare each layer of a file with its graph on samples ``(samples, steps, *shape)``.

    Raises
    ------
    EnvironmentMissingError, FileFormatError, UnsupportedError
        As for :func:`edgespike.converters.lava_dl.reading.read_graph`.
    InputError
        The samples do not fit.
    """
    net = read_graph(path, options)
    x = as_samples(net.graph, samples)
    expected = Simulation(layers_of(read_net(path), [])).run(x)
    found = interpret(net.graph, x).values
    return [
        _compared(layer.path, layer.node, found[layer.node], expected[layer.path], net.graph)
        for layer in net.layers
        if layer.node
    ]


def _compared(path: str, node: str, found: NDArray[Any], record: Record, graph: Graph) -> PartCheck:
    expected: NDArray[Any] = record.spikes
    if node == graph.readout.name:  # the potential, in 1/64, after the last step
        found, expected = found[:, -1] * graph.readout_op.scale, record.potentials[:, -1] / 64
    expected = expected.reshape(found.shape)
    return PartCheck.of(path, node, np.asarray(found != expected))


@dataclass(frozen=True)
class Record:
    """What one layer did, ``(samples, steps, *shape)``; potentials are in 1/64, after a reset."""

    spikes: NDArray[np.int64]
    potentials: NDArray[np.int64]


@dataclass
class _Population:
    """The state of one layer's neurons, and what still travels to it.

    Parameters
    ----------
    current, potential, spikes
        Of each sample and neuron; the spikes are those of the last step.
    inputs
        The layer's inputs of this step and the steps before, the newest first.
    """

    current: Integers
    potential: Integers
    spikes: Integers
    inputs: deque[Integers]

    @classmethod
    def at_rest(cls, shape: tuple[int, ...]) -> _Population:
        """Return a population at the start of a sample."""
        zeros = np.zeros(shape, np.int64)
        return cls(zeros, zeros, zeros, deque(maxlen=DELAY_HIGH + 1))

    def step(self, neurons: LayerNeurons, sums: Integers, bias: Integers) -> Integers:
        """Integrate one step's sums, and return the spikes."""
        current = _decayed(self.current, neurons.iDecay) + (sums << 6)
        wrapped = np.where(current > HALF, current - 2 * HALF, current)
        self.current = np.where(wrapped <= -HALF, current + 2 * HALF, wrapped)
        potential = _decayed(self.potential, neurons.vDecay) + self.current + (bias << 6)
        potential = np.clip(potential, -HALF + 1, HALF - 1)
        self.spikes = (potential > neurons.vThMant << 6).astype(np.int64)
        self.potential = np.where(self.spikes > 0, 0, potential)
        return self.spikes


class Simulation:
    """Layers of a file, run step by step."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._populations: dict[str, _Population] = {}

    def run(self, samples: NDArray[Any]) -> dict[str, Record]:
        """Return what each layer with neurons did on new samples, by its path."""
        self._populations = {}
        steps: dict[str, list[tuple[Integers, Integers]]] = {}
        for step in range(samples.shape[1]):
            events = np.asarray(samples[:, step], np.int64)
            for layer in self._layers:
                events = self._advance(layer, events)
            for path, state in self._populations.items():
                steps.setdefault(path, []).append((state.spikes, state.potential))
        return {
            path: Record(*(np.stack(each, axis=1) for each in zip(*found, strict=True)))
            for path, found in steps.items()
        }

    def _advance(self, layer: Layer, events: Integers) -> Integers:
        """Compute one step of a layer, and return its spikes."""
        match layer:
            case FlattenLayer():
                return events.reshape(len(events), -1)
            case InputLayer():
                if layer.neurons is None:
                    return events
                state = self._population(layer.path, events.shape)
                return state.step(layer.neurons, events, np.array(layer.bias))
            case ConvLayer():
                state = self._population(layer.path, (len(events), *layer.shape))
                sums = _convolved(layer, events)
                return state.step(layer.neurons, sums, layer.bias[:, None, None])
            case DenseLayer():
                state = self._population(layer.path, (len(events), len(layer.weight)))
                state.inputs.appendleft(events)
                return state.step(layer.neurons, _summed(layer, state), layer.bias)
            case _:
                assert_never(layer)

    def _population(self, path: str, shape: tuple[int, ...]) -> _Population:
        if path not in self._populations:
            self._populations[path] = _Population.at_rest(shape)
        return self._populations[path]


def _summed(layer: DenseLayer, state: _Population) -> Integers:
    """Return the sums of a dense layer's synapses, after their delays, and of its own spikes."""
    sums = np.zeros(state.spikes.shape, np.int64)
    for steps, events in enumerate(state.inputs):
        if layer.delay is not None:
            sums += events @ np.where(layer.delay == steps, layer.weight, 0).T
        elif steps == 0:
            sums += events @ layer.weight.T
    if layer.recurrent is not None:
        sums += state.spikes @ layer.recurrent.T
    return sums


def _convolved(layer: ConvLayer, events: Integers) -> Integers:
    """Return the sums of a convolution, one place of its kernel after the other."""
    rows, columns = layer.padding
    padded = np.pad(events, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    sums = np.zeros((len(events), *layer.shape), np.int64)
    outputs, inputs = len(layer.weight) // layer.groups, layer.weight.shape[1]
    for group in range(layer.groups):
        of_group = slice(group * outputs, (group + 1) * outputs)
        taken = padded[:, group * inputs : (group + 1) * inputs]
        for row, column in np.ndindex(*layer.weight.shape[2:]):
            part = taken[
                :,
                :,
                row * layer.dilation[0] :: layer.stride[0],
                column * layer.dilation[1] :: layer.stride[1],
            ][:, :, : layer.shape[1], : layer.shape[2]]
            weight = layer.weight[of_group, :, row, column]
            sums[:, of_group] += np.einsum("oi,nihw->nohw", weight, part)
    return sums


def _decayed(state: Integers, decay: int) -> Integers:
    result: Integers = np.sign(state) * (np.abs(state) * (4096 - decay) >> 12)
    return result
