"""A ``.net`` file as a graph, with what the file is and what was assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import assert_never

from edgespike.converters.base import ConvertOptions
from edgespike.converters.builder import GraphBuilder
from edgespike.converters.lava_dl.building import NetBuilder
from edgespike.converters.lava_dl.hdf5 import read_net
from edgespike.converters.lava_dl.layers import layers_of, steps_of
from edgespike.converters.lava_dl.neurons import LayerNeurons
from edgespike.converters.lava_dl.records import (
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    InputLayer,
    Layer,
)
from edgespike.errors import UnsupportedError
from edgespike.graph import Graph

READOUTS = ("count", "potential")
"""What can be the answer of such a net."""

SPIKES = (0, 1)


@dataclass(frozen=True)
class FoundLayer:
    """What a file has at one place.

    Parameters
    ----------
    path
        ``layer/1``.
    text
        What it is: "conv 24 x 6 x 6, kernel 5 x 5, CUBA iDecay 4096 vDecay 1024 vThMant 25".
    neurons
        How many neurons it has.
    node
        The graph's node that has its spikes, or its potentials if these are the answer; empty for
        what has none.
    """

    path: str
    text: str
    neurons: int
    node: str


@dataclass(frozen=True)
class FoundNet:
    """A ``.net`` file and its graph.

    Parameters
    ----------
    graph
        It has the file's spikes at every layer and step.
    layers
        The file's layers, in order.
    assumed
        What the file does not say and was assumed; sentences.
    """

    graph: Graph
    layers: tuple[FoundLayer, ...]
    assumed: tuple[str, ...]

    @property
    def neurons(self) -> int:
        """Number of neurons of all layers."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def summary(self) -> str:
        """One line: what the file is."""
        return (
            f"a network of lava-dl (netx): {len(self.layers)} layers, {self.neurons} neurons, "
            f"{_steps_of(self.graph.steps)}"
        )


@dataclass(frozen=True)
class _Input:
    """The graph's input, and what was assumed of it."""

    shape: tuple[int, ...]
    limits: tuple[int, int]
    scale: float
    assumed: str


def read_graph(path: Path, options: ConvertOptions) -> FoundNet:
    """Return a file's graph.

    Raises
    ------
    EnvironmentMissingError
        h5py is not installed.
    FileFormatError
        The file is damaged.
    UnsupportedError
        Lists what netx does not run, what no graph computes exactly, and options that are missing.
    """
    net = read_net(path)
    violations = net.violations
    layers = layers_of(net, violations)
    steps = _steps(options, list(steps_of(net, violations)), violations)
    source = _input(layers, options, violations)
    readout = _readout(layers, options, violations)
    what = f"{path} cannot be converted"
    if violations or source is None or steps is None:
        raise UnsupportedError(what, violations)
    builder = GraphBuilder.start(source.shape, steps[0], source.limits, source.scale)
    adding = NetBuilder(builder)
    with builder.collecting(what):
        for layer in layers:
            last = layer is _last(layers)
            adding.add(layer, readout if last and readout == "potential" else "")
        if readout == "count":
            adding.count_spikes(layers[-1].path)
    graph = builder.graph(options.graph_name())
    found = tuple(_found(layer, graph, adding.nodes) for layer in layers)
    assumed = tuple(filter(None, (steps[1], source.assumed, _ANSWERS[readout])))
    return FoundNet(graph, found, assumed)


_ANSWERS = {
    "count": "the answer is the number of spikes of each neuron of the last layer",
    "potential": "the answer is the potential of the last layer, in units of its weights",
}


def _last(layers: list[Layer]) -> Layer | None:
    """Return the last layer with neurons."""
    with_neurons = [layer for layer in layers if isinstance(layer, DenseLayer | ConvLayer)]
    return with_neurons[-1] if with_neurons else None


def _steps(
    options: ConvertOptions, stated: list[int], violations: list[str]
) -> tuple[int, str] | None:
    """Return the steps of a sample, and what was assumed."""
    if options.steps is not None:
        return options.steps, ""
    if stated:
        assumed = f"a sample has {_steps_of(stated[0])}, the file's simulation/tSample / Ts"
        return stated[0], assumed
    violations.append(
        "the steps of a sample are missing, and the file does not state them (simulation/tSample); "
        "give steps, on the command line --steps 25"
    )
    return None


def _input(layers: list[Layer], options: ConvertOptions, violations: list[str]) -> _Input | None:
    """Return the graph's input: spikes, or what drives the neurons of an input layer."""
    first = layers[0] if layers else None
    stated = _stated_shape(first)
    shape = stated or options.input_shape
    if stated and options.input_shape not in (None, stated):
        violations.append(
            f"input_shape is {options.input_shape}, the file's is {stated}; leave input_shape out"
        )
    if shape is None:
        if first is not None:
            violations.append(
                f"{first.path} does not state the shape of the input; give input_shape as "
                "(channels, height, width), on the command line --input-shape 2,34,34"
            )
        return None
    scale = options.input_scale
    if isinstance(first, InputLayer) and first.neurons is not None:
        limits = options.input_range or (-first.weight, first.weight)
        drive = (
            f"an input q drives its neurons by q {first.bias:+d} at each step; q / {first.weight} "
            f"is the real input, of which netx says {first.weight} x {first.bias:+d}"
        )
        return _Input(shape, limits, scale or 1 / first.weight, f"{drive}; q is {_range(limits)}")
    limits = options.input_range or SPIKES
    assumed = "" if options.input_range else f"the input is spikes, {_range(SPIKES)}"
    return _Input(shape, limits, scale or 1.0, assumed)


def _steps_of(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _range(limits: tuple[int, int]) -> str:
    return f"{limits[0]}..{limits[1]}"


def _stated_shape(first: Layer | None) -> tuple[int, ...] | None:
    match first:
        case InputLayer():
            return first.shape
        case DenseLayer():
            return (first.weight.shape[1],)
        case _:
            return None


def _readout(layers: list[Layer], options: ConvertOptions, violations: list[str]) -> str:
    """Return what the answer is: the potentials of a last layer that cannot fire, else spikes."""
    last = _last(layers)
    if last is None:
        violations.append("layer has no dense or convolution; there is nothing to run")
        return READOUTS[0]
    never = isinstance(last, DenseLayer | ConvLayer) and last.neurons.is_answer
    chosen = options.readout or ("potential" if never else "count")
    if chosen not in READOUTS:
        violations.append(
            f"readout is {chosen!r}; of such a net it is one of {', '.join(READOUTS)}"
        )
    return chosen


def _found(layer: Layer, graph: Graph, nodes: Mapping[str, str]) -> FoundLayer:
    node = nodes.get(layer.path, "")
    count = math.prod(graph.tensors[node].shape) if node else 0
    return FoundLayer(layer.path, " ".join(_words(layer)), count, node)


def _words(layer: Layer) -> Iterator[str]:
    """Yield what a layer is."""
    neurons: LayerNeurons | None = None
    match layer:
        case InputLayer():
            yield "input" if layer.shape is None else f"input {_by(layer.shape)}"
            if layer.neurons is not None:
                neurons = layer.neurons
                yield f"weight {layer.weight} bias {layer.bias}"
        case DenseLayer():
            neurons = layer.neurons
            yield f"dense {layer.weight.shape[1]} to {len(layer.weight)}"
            if layer.recurrent is not None:
                yield "and its own spikes"
            if layer.delay is not None:
                yield f"delays up to {layer.delay.max()}"
        case ConvLayer():
            neurons = layer.neurons
            yield f"conv {_by(layer.shape)} kernel {_by(layer.weight.shape[2:])}"
        case FlattenLayer():
            yield "flatten"
        case _:
            assert_never(layer)
    if neurons is not None:
        yield f"iDecay {neurons.iDecay} vDecay {neurons.vDecay} vThMant {neurons.vThMant}"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
