"""Weighted layers: what their windows read, and which kernel adds their rows of weights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from edgespike.graph import Conv2d, Dense, Graph, Node, Reshape, Tensor
from edgespike.graph.tensor import Integers
from edgespike.targets.c.packing import CHUNK, field_bits
from edgespike.targets.c.values import RANGES, fits
from edgespike.targets.shared.channels_last import plane
from edgespike.targets.shared.partial_sums import partial_sum_bounds

INT32 = RANGES["int32_t"][1]

MOST_LEVELS = 7
"""Most levels of values whose events are listed; larger ones are multiplied."""

FEWEST_OUTPUTS = 6
"""Fewest outputs for which rows of 16 are worth their memory."""

MOST_PLACES = 2**16 - 1
"""Most elements of a row whose events are listed: places have 16 bits."""


class Kernel(Enum):
    """How a layer computes."""

    EVENTS = "events, 16 outputs at a time, sums of 16 bits"
    EVENTS_WIDE = "events, 16 outputs at a time, sums of 32 bits"
    PAIRS = "products of two outputs at a time, sums of 16 bits"
    EIGHTS = "products of eight outputs at a time, sums of 32 bits"
    ROWS = "a row of weights for each value that is not 0"

    @property
    def lists(self) -> bool:
        """Whether events are listed."""
        return self in (Kernel.EVENTS, Kernel.EVENTS_WIDE)


@dataclass(frozen=True)
class Layer:
    """A dense layer or a convolution as a window over its source.

    Parameters
    ----------
    node
        The layer.
    root
        What it reads; a reshape before a dense layer is left out.
    weight
        ``(outputs, channels / groups, height, width)``.
    bias
        ``(outputs,)``.
    stride, dilation, padding
        Each vertical, horizontal; padding above and to the left.
    groups
        Independent blocks of channels.
    output
        Height and width.
    """

    node: Node
    root: Node
    weight: Integers
    bias: Integers
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    output: tuple[int, int]

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return len(self.weight)

    @property
    def padded_outputs(self) -> int:
        """The same in whole chunks."""
        return -(-self.outputs // CHUNK) * CHUNK

    @property
    def rows(self) -> Integers:
        """Weights in the order of a window's elements, ``(height * width * channels, outputs)``."""
        return self.weight.transpose(2, 3, 1, 0).reshape(-1, self.outputs)

    @property
    def field_range(self) -> tuple[int, int]:
        """The least and the largest weight; outputs that fill a chunk up have weights of 0."""
        return min(0, int(self.weight.min())), max(0, int(self.weight.max()))

    @property
    def row_span(self) -> int:
        """Rows of the source from a window's first to its last."""
        return int(self.weight.shape[2] - 1) * self.dilation[0] + 1

    @property
    def column_span(self) -> int:
        """Columns of the source from a window's first to its last."""
        return int(self.weight.shape[3] - 1) * self.dilation[1] + 1

    def covers(self, source: tuple[int, int, int]) -> bool:
        """Return whether its only window is the whole source."""
        whole = self.weight.shape[2:] == source[:2] and self.dilation == (1, 1)
        return whole and self.output == (1, 1) and self.padding == (0, 0)

    @property
    def scales(self) -> bool:
        """Return whether it multiplies each channel by a factor of its own."""
        outputs, *others = self.weight.shape
        plain = self.stride == (1, 1) and self.padding == (0, 0)
        return self.groups == outputs and others == [1, 1, 1] and plain

    def segments(self) -> list[tuple[int, int, int, int]]:
        """Return taps that lie side by side: row and column in the window, width, first row."""
        _, channels, height, width = self.weight.shape
        if self.dilation[1] == 1:
            return [(y * self.dilation[0], 0, width, y * width * channels) for y in range(height)]
        return [
            (y * self.dilation[0], x * self.dilation[1], 1, (y * width + x) * channels)
            for y in range(height)
            for x in range(width)
        ]


def layer_of(graph: Graph, node: Node, op: Conv2d | Dense) -> Layer:
    """Return a layer's window."""
    (name,) = node.inputs
    root = graph[name]
    if isinstance(op, Conv2d):
        (top, _), (left, _) = op.sides
        output = graph.tensors[node.name].shape
        return Layer(
            node,
            root,
            op.weight,
            op.bias,
            op.stride,
            op.dilation,
            (top, left),
            op.groups,
            (output[1], output[2]),
        )
    while isinstance(root.op, Reshape):
        root = graph[root.inputs[0]]
    height, width, channels = plane(graph.tensors[root.name].shape)
    weight = op.weight.reshape(-1, channels, height, width)
    return Layer(node, root, weight, op.bias, (1, 1), (1, 1), (0, 0), 1, (1, 1))


def kernels_of(graph: Graph, layer: Layer) -> list[Kernel]:
    """Return the kernels that compute a layer exactly, first those that usually are the fastest.

    :mod:`edgespike.targets.c.choosing` says when the first is not.
    """
    source, sums = graph.tensors[layer.root.name], graph.tensors[layer.node.name]
    height, width, channels = plane(source.shape)
    low, high = source.bounds
    least, most = int(layer.weight.min()), int(layer.weight.max())
    sizes = (height, width, layer.row_span, layer.column_span)
    in_chunks = layer.groups == 1 and layer.outputs >= FEWEST_OUTPUTS and max(sizes) <= MOST_PLACES
    found = []
    if in_chunks and fits(*sums.bounds, "int32_t"):
        narrow = fits(*sums.bounds, "int16_t")
        few = max(width * channels, layer.weight[0].size) <= MOST_PLACES
        if 0 <= low < high <= MOST_LEVELS and few and field_bits(*layer.field_range):
            found += [Kernel.EVENTS] if narrow else []
            found.append(Kernel.EVENTS_WIDE)
        if fits(low, high, "int16_t"):
            if narrow and fits(least, most, "int16_t"):
                found.append(Kernel.PAIRS)
            if fits(least, most, "int8_t") and partial_bound(layer, source) <= INT32:
                found.append(Kernel.EIGHTS)
    return [*found, Kernel.ROWS]


def partial_bound(layer: Layer, source: Tensor) -> int:
    """Bound a layer's sums in any order."""
    weight = layer.weight.reshape(layer.outputs, layer.weight.shape[1], -1)
    bound = float(partial_sum_bounds(weight, layer.bias, source).max())
    return int(min(bound, 2.0**62))


def magnitude(values: Integers | int) -> int:
    """Return the largest magnitude."""
    return int(np.abs(np.asarray(values, np.int64)).max(initial=0))
