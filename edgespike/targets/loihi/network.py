"""A network as Lava runs it: populations of neurons and sparse synapses between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.edges import Edges
from edgespike.targets.loihi.neurons import CONSTANT_VALUE, OWN_PROCESSES, READOUTS, Neurons

CONSTANT, ONES = ":constant", ":ones"
"""Names of the always-on sources; no node's name has a colon."""

SOURCES = {CONSTANT_VALUE: CONSTANT, 1: ONES}
"""The always-on sources by what they send at each step."""


def bits(low: int, high: int) -> int:
    """Return the bits that hold all of ``low..high``, including a sign for negative values."""
    if low < 0:
        return 1 + max(high.bit_length(), (-low - 1).bit_length())
    return high.bit_length()


def message_bits(low: int, high: int) -> int:
    """Return the bits of the payload of spikes of ``low..high``; 0 for plain spikes."""
    return 0 if low == 0 and high <= 1 else bits(low, high)


_USUAL = {
    "current_decay": DECAY_ONE,
    "bias_exponent": FRACTION_BITS,
    "fraction_bits": FRACTION_BITS,
    "offset": 0,
    "unit": 1,
}
"""Parameters of neurons that are described only where they have another value."""


@dataclass(frozen=True)
class Population:
    """A group of neurons, or a source of spikes.

    Parameters
    ----------
    name
        The node that it computes.
    size
        Number of neurons, or of elements.
    low, high
        Range of the spikes' payload; 0 and 1 are plain spikes.
    depth
        How many of Lava's steps it lags behind the input.
    neurons
        Their parameters; ``None`` for the input and the always-on sources.
    windows
        From the elements that are pooled to the neurons, if these take the largest.
    """

    name: str
    size: int
    low: int
    high: int
    depth: int
    neurons: Neurons | None = None
    windows: Edges | None = None

    @property
    def inputs(self) -> int:
        """Number of sums of its synapses: one per neuron unless it pools, 0 for a source."""
        return 0 if self.neurons is None else len(self.neurons.bias)

    @property
    def always_on(self) -> list[tuple[str, int, Integers]]:
        """The synapses from always-on sources: source, exponent, and all neurons' weights."""
        if self.neurons is None:
            return []
        found = self.neurons.always_on()
        return [(SOURCES[value], exponent, weights) for value, exponent, weights in found]

    @property
    def recorded(self) -> np.dtype[Any] | None:
        """Type in which its spikes or potentials are recorded; ``None`` for a source."""
        if self.neurons is None:
            return None
        small = self.neurons.kind not in READOUTS and self.low >= 0 and self.high < 256
        return np.dtype(np.uint8 if small else np.int32)

    @property
    def own_process(self) -> bool:
        """Whether its neurons are edgespike's own rather than Lava's stock neurons."""
        return self.neurons is not None and self.neurons.kind in OWN_PROCESSES

    @property
    def message_bits(self) -> int:
        """Bits of the spikes' payload, sign included; 0 for plain spikes."""
        return message_bits(self.low, self.high)

    def describe(self, steps: int) -> dict[str, Any]:
        """Return everything but its arrays, for JSON."""
        entry: dict[str, Any] = {"name": self.name, "size": self.size, "depth": self.depth}
        if self.neurons is None:
            kind = "constant" if self.name in SOURCES.values() else "input"
            value = 1 if self.name == ONES else CONSTANT_VALUE
            return {**entry, "kind": kind, "value": value, "record": ""}
        neurons = self.neurons
        entry |= {"kind": neurons.kind.value, "vth": neurons.vth, "decay": neurons.decay}
        entry |= {"inputs": self.inputs, "interval": steps if neurons.memory else 1}
        entry |= {"record": str(self.recorded)}
        entry |= {
            name: getattr(neurons, name)
            for name, usual in _USUAL.items()
            if getattr(neurons, name) != usual
        }
        if neurons.dynamics is not None:
            entry["membrane"] = neurons.dynamics.describe()
        return entry

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return its arrays, by the names that the simulator knows."""
        if self.neurons is None:
            return {}
        arrays: dict[str, NDArray[Any]] = {"bias": self.neurons.bias.astype(np.int16)}
        if self.neurons.theta is not None:
            arrays["theta"] = self.neurons.theta.astype(np.int32)
        if self.neurons.dynamics is not None:
            own = self.neurons.dynamics.arrays()
            arrays |= {name: values.astype(np.int32) for name, values in own.items()}
        if self.windows is not None:
            edges = self.windows.at(np.argsort(self.windows.outputs, kind="stable"))
            arrays["elements"] = edges.inputs.astype(np.int32)
            starts = np.searchsorted(edges.outputs, np.arange(self.size))
            arrays["starts"] = starts.astype(np.int32)
        return {f"{self.name}.{key}": array for key, array in arrays.items()}


@dataclass(frozen=True)
class Connection:
    """Synapses from one population to another, at most one between two neurons.

    Parameters
    ----------
    name
        Unique in the network.
    source, target
        Names of the populations.
    weights, indices, indptr
        Compressed rows, one for each neuron of the target, int8 and int32.
    exponent
        The weights are multiplied by 2 to this power.
    delay
        Steps that spikes wait in addition to the one that every connection takes.
    initial
        For a delay of the graph: what arrives from every neuron at a sample's first step, instead
        of what it sent at the last step of the previous sample. ``None`` if spikes arrive for the
        step at which they were sent.
    message_bits
        Bits of the spikes' payload, sign included; 0 for plain spikes.
    """

    name: str
    source: str
    target: str
    weights: NDArray[np.int8]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int32]
    exponent: int
    delay: int
    initial: int | None
    message_bits: int

    @property
    def is_constant(self) -> bool:
        """Whether it comes from an always-on source, and therefore not from the graph."""
        return self.source in SOURCES.values()

    def describe(self) -> dict[str, Any]:
        """Return everything but its arrays, for JSON."""
        fields = ("name", "source", "target", "exponent", "delay", "initial", "message_bits")
        return {name: getattr(self, name) for name in fields}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return its arrays, by the names that the simulator knows."""
        fields = ("weights", "indices", "indptr")
        return {f"{self.name}.{name}": getattr(self, name) for name in fields}


@dataclass(frozen=True)
class Network:
    """Populations and connections, for samples of ``steps`` steps; the input comes first."""

    steps: int
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]

    def describe(self) -> dict[str, Any]:
        """Return everything but the arrays, as the simulator reads it from JSON."""
        return {
            "steps": self.steps,
            "populations": [population.describe(self.steps) for population in self.populations],
            "connections": [connection.describe() for connection in self.connections],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays, by the names that the simulator knows."""
        arrays: dict[str, NDArray[Any]] = {}
        for population in self.populations:
            arrays |= population.arrays()
        for connection in self.connections:
            arrays |= connection.arrays()
        return arrays

    @property
    def depth(self) -> int:
        """How many of Lava's steps its last population lags behind the input."""
        return max(population.depth for population in self.populations)

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return sum(len(connection.weights) for connection in self.connections)
