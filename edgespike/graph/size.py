"""The size of a graph's weights in a file, and a lower bound from their entropy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgespike.graph.graph import Graph
from edgespike.graph.ops import Weighted
from edgespike.graph.packing import distinct

SIZE_COLUMNS = (
    "weights",
    "states in use",
    "zeros",
    "entropy",
    "bytes in the file",
    "entropy bound",
)
"""What :meth:`WeightSize.cells` returns; entropies in bits per weight, bounds in bytes."""


@dataclass(frozen=True)
class WeightSize:
    """The size of the weights of one layer, or of all layers.

    Parameters
    ----------
    name
        Name of the layer.
    weights
        Number of weights; those of a kernel count once, however often it is placed.
    states
        Number of different values; ``None`` for several layers together.
    zeros
        Number of zeros.
    entropy
        ``-sum(p * log2(p))`` over the shares ``p`` of the values in a layer, in bits per weight;
        for several layers, the mean over their weights.
    file_bytes
        Their size in a graph file.
    """

    name: str
    weights: int
    states: int | None
    zeros: int
    entropy: float
    file_bytes: int

    @property
    def zero_share(self) -> float:
        """Share of zeros among the weights, 0 to 1."""
        return self.zeros / self.weights if self.weights else 0.0

    @property
    def entropy_bytes(self) -> int:
        """Lower bound in bytes for codes of one weight at a time, chosen for each layer."""
        return math.ceil(self.weights * self.entropy / 8)

    def cells(self) -> tuple[str, ...]:
        """Return :data:`SIZE_COLUMNS` as text."""
        return (
            f"{self.weights:,}",
            "–" if self.states is None else f"{self.states:,}",
            f"{self.zero_share:.1%}",
            f"{self.entropy:.2f}",
            f"{self.file_bytes:,}",
            f"{self.entropy_bytes:,}",
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "weights": self.weights,
            "states": self.states,
            "zero_share": self.zero_share,
            "entropy_bits_per_weight": self.entropy,
            "file_bytes": self.file_bytes,
            "entropy_bound_bytes": self.entropy_bytes,
        }


@dataclass(frozen=True)
class GraphSize:
    """The size of each layer's weights, of all weights, and of the whole file.

    Parameters
    ----------
    layers
        Layers with weights, in the order in which they run.
    total
        All layers together.
    file_bytes
        Size of the whole graph file: weights, biases, thresholds, masks and description.
    """

    layers: tuple[WeightSize, ...]
    total: WeightSize
    file_bytes: int

    @property
    def sentence(self) -> str:
        """The size of file and weights in words."""
        return (
            f"File of {self.file_bytes:,} bytes, {self.total.file_bytes:,} of them weights; coding "
            "one weight at a time takes at least their entropy, "
            f"{self.total.entropy_bytes:,} bytes."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "file_bytes": self.file_bytes,
            "layers": [layer.to_json() for layer in self.layers],
            "total": self.total.to_json(),
        }


def graph_size(graph: Graph) -> GraphSize:
    """Measure the size of a graph's weights in a file, and the entropy of their values."""
    stored = graph.stored
    layers = tuple(
        _measure(node.name, node.op, stored.array_bytes[f"{node.name}.weight"])
        for node in graph.nodes
        if isinstance(node.op, Weighted)
    )
    return GraphSize(layers, _total(layers), stored.file_bytes)


def _measure(name: str, op: Weighted, file_bytes: int) -> WeightSize:
    values, counts = distinct(op.weight)
    shares = counts / op.weight.size
    return WeightSize(
        name,
        op.weight.size,
        values.size,
        int(counts[values == 0].sum()),
        float(shares @ np.log2(1 / shares)),
        file_bytes,
    )


def _total(layers: Sequence[WeightSize]) -> WeightSize:
    weights = sum(layer.weights for layer in layers)
    bits = sum(layer.weights * layer.entropy for layer in layers)
    return WeightSize(
        "total",
        weights,
        None,
        sum(layer.zeros for layer in layers),
        bits / weights if weights else 0.0,
        sum(layer.file_bytes for layer in layers),
    )
