"""Which of the kernels that are exact computes a layer: lists of events, or products.

Both cost about as much for an event, so that the rate of events hardly matters. What differs is
what comes before: lists take instructions for each level of each window, products for each number
of a window. The instructions here are those of a position on a Cortex-M4, as they were fitted
(``instructions.json``).
"""

from __future__ import annotations

from collections.abc import Sequence

from edgespike.graph import Graph, MaxPool2d
from edgespike.targets.c.layers import Kernel, Layer
from edgespike.targets.c.packing import CHUNK, field_bits
from edgespike.targets.shared.channels_last import plane

RATE = 0.25
"""Share of the numbers that are events, where it matters a little."""

GAIN = 0.9
"""Products are chosen if they take less than this share of what lists do."""

_LEVEL_OF_CHUNK = {8: 75, 4: 55, 2: 130}
_LEVEL_OF_SEGMENT = 60
_CHUNK_OF_LISTS = 60
_NUMBER_LISTED, _NUMBER_LISTED_IN_BITS = 5.8, 0.6
_EVENT_LISTED, _ROW_FOUND = 7.7, 9.2
_SEGMENT = 76
_CHUNK_OF_PRODUCTS, _NUMBER = 59, 4.9
_KEPT_IN_BYTES = 20


def chosen(graph: Graph, layer: Layer, exact: Sequence[Kernel], *, in_bits: bool) -> Kernel:
    """Return the kernel of a layer.

    Parameters
    ----------
    graph, layer
        The layer, and its graph.
    exact
        What :func:`edgespike.targets.c.layers.kernels_of` returned.
    in_bits
        Whether its source is kept as bits if it is read by lists.
    """
    first = exact[0]
    if first is not Kernel.EVENTS or Kernel.PAIRS not in exact:
        return first
    if in_bits and isinstance(layer.root.op, MaxPool2d):
        return first  # pools of bits are ORs: what they save is more
    lists = _of_lists(graph, layer, in_bits=in_bits)
    return Kernel.PAIRS if _of_products(graph, layer, in_bits=in_bits) < GAIN * lists else first


def _read(graph: Graph, layer: Layer) -> float:
    """Return how many numbers of the source there are for each position."""
    height, width = layer.output
    return graph.tensors[layer.root.name].size / (height * width)


def _of_lists(graph: Graph, layer: Layer, *, in_bits: bool) -> float:
    source = graph.tensors[layer.root.name]
    levels, window = source.bounds[1], layer.weight[0].size
    chunks = layer.padded_outputs // CHUNK
    whole = layer.covers(plane(source.shape))
    segments = 0 if whole else len(layer.segments())
    of_chunk = _LEVEL_OF_CHUNK[field_bits(*layer.field_range)]
    level = segments * _LEVEL_OF_SEGMENT + chunks * of_chunk
    listed = _NUMBER_LISTED_IN_BITS if in_bits else _NUMBER_LISTED
    read = _read(graph, layer) * (levels * listed + RATE * _EVENT_LISTED)
    found = 0 if whole else RATE * window * _ROW_FOUND
    return levels * level + chunks * _CHUNK_OF_LISTS + read + found


def _of_products(graph: Graph, layer: Layer, *, in_bits: bool) -> float:
    chunks = layer.padded_outputs // CHUNK
    before = len(layer.segments()) * _SEGMENT + chunks * _CHUNK_OF_PRODUCTS
    kept = _read(graph, layer) * _KEPT_IN_BYTES if in_bits else 0
    return float(before + layer.weight[0].size * chunks * _NUMBER + kept)
