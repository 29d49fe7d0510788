"""Which kernel computes each layer, and why."""

from __future__ import annotations

from collections.abc import Mapping

from edgespike.graph import Graph
from edgespike.targets.base import LayerNumbers
from edgespike.targets.c.layers import (
    FEWEST_OUTPUTS,
    MOST_LEVELS,
    MOST_PLACES,
    Kernel,
    Layer,
    kernels_of,
)
from edgespike.targets.c.layout import Layout, make_layout
from edgespike.targets.c.packing import field_bits


def layer_numbers(graph: Graph, forced: Mapping[str, Kernel] | None = None) -> list[LayerNumbers]:
    """Return a row for each weighted layer; parameters are those of :func:`make_layout`."""
    return numbers_of(make_layout(graph, forced))


def numbers_of(layout: Layout) -> list[LayerNumbers]:
    """Return a row for each weighted layer: name and description of its kernel, and why."""
    return [
        LayerNumbers(name, f"{kernel.name}: {kernel.value}", _why(layout, layer, kernel))
        for name, layer in layout.layers.items()
        for kernel in [layout.kernels[name]]
    ]


def _why(layout: Layout, layer: Layer, kernel: Kernel) -> str:
    graph, choice = layout.graph, layout.choice[layer.node.name]
    if kernel is not choice:
        return f"asked for, instead of {choice.name}"
    low, high = graph.tensors[layer.root.name].bounds
    least, most = graph.tensors[layer.node.name].bounds
    sums = f"sums are {least}..{most}"
    if kernel.lists:
        bits = field_bits(*layer.field_range)
        return f"values are {low}..{high}, weights take {bits} bits, {sums}"
    if kernels_of(graph, layer)[0].lists and kernel is Kernel.PAIRS:
        size = layer.weight[0].size
        return f"windows are of {size} numbers up to {high}, too few for lists of events, {sums}"
    if kernel is Kernel.PAIRS or kernel is Kernel.EIGHTS:
        return f"{_not_listed(layer, low, high)}, {sums}"
    if layer.groups > 1:
        return f"{layer.groups} groups"
    if layer.outputs < FEWEST_OUTPUTS:
        return f"{layer.outputs} outputs are fewer than {FEWEST_OUTPUTS}"
    return f"values are {low}..{high}, {_weights(layer)}, {sums}"


def _not_listed(layer: Layer, low: int, high: int) -> str:
    """Say why events cannot be listed, of values in a range, where products in chunks can be."""
    if low < 0:
        return f"values down to {low} are below 0"
    if high > MOST_LEVELS:
        return f"values up to {high} are above {MOST_LEVELS}"
    if low == high:
        return f"values are always {low}"
    if not field_bits(*layer.field_range):
        return f"{_weights(layer)} take more than 8 bits"
    return f"a row or a window has more than {MOST_PLACES} numbers"


def _weights(layer: Layer) -> str:
    return f"weights {layer.weight.min()}..{layer.weight.max()}"
