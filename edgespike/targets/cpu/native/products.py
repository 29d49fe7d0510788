"""Weighted layers as the native engine computes them: windows over rows of weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgespike.graph import Conv2d, Dense, Graph, Node, Reshape, Signal, SumPool2d, Tensor
from edgespike.graph.tensor import ELEMENT_LIMIT, Integers
from edgespike.targets.cpu.native.codes import LARGEST_IN_BYTES, MOST_ELEMENTS, Product, Type
from edgespike.targets.cpu.native.words import INT16, Words, stored
from edgespike.targets.shared.channels_last import plane

LARGEST_BYTE = 127

MANY_OUTPUTS = 32
"""Outputs from which on it takes less to add rows of weights than to multiply a few levels."""

MOST_FOLDED_WEIGHTS = 2**24
"""Most weights of a layer into which a sum pool is folded: a row of the pool repeats them."""


@dataclass(frozen=True)
class Window:
    """What a layer reads of the node that it starts from, whose channels are last.

    Parameters
    ----------
    root
        The node: the layer's input, or what is before shapes and sum pools that are folded in.
    weight
        ``(outputs, channels, height, width)``, of all channels even if the layer has groups; where
        each channel is by itself, ``(channels, 1, height, width)``.
    stride, dilation, padding
        Of the layer; padding before the first row and column.
    pool
        The sum pool's window and stride, 1 if there is none.
    covered
        Height and width of the root that windows of the pool cover.
    output
        Height and width.
    """

    root: Node
    weight: Integers
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    pool: tuple[int, int]
    covered: tuple[int, int]
    output: tuple[int, int]


def is_listed(tensor: Tensor) -> bool:
    """Return whether a layer follows a tensor's events, instead of multiplying its numbers."""
    return tensor.bounds == (0, 1) or tensor.signal is Signal.SPIKES


def window_of(graph: Graph, node: Node, op: Conv2d | Dense) -> Window:
    """Return a layer's window, with the sum pool and the reshape before it folded in."""
    (name,) = node.inputs
    root = graph[name]
    if isinstance(op, Conv2d):
        weight = _without_groups(op, graph.tensors[name].shape[0])
        (top, _), (left, _) = op.sides
        window = Window(
            root,
            weight,
            op.stride,
            op.dilation,
            (top, left),
            (1, 1),
            plane(graph.tensors[name].shape)[:2],
            plane(graph.tensors[node.name].shape)[:2],
        )
    else:
        while isinstance(root.op, Reshape):
            root = graph[root.inputs[0]]
        height, width, channels = plane(graph.tensors[root.name].shape)
        weight = op.weight.reshape(len(op.weight), channels, height, width)
        ones = (1, 1)
        window = Window(root, weight, ones, ones, (0, 0), ones, (height, width), ones)
    return _folded(graph, window)


def _without_groups(op: Conv2d, channels: int) -> Integers:
    if op.groups == 1 or op.groups == len(op.weight) == channels:
        return op.weight
    outputs, own, *kernel = op.weight.shape
    whole = np.zeros((outputs, channels, *kernel), np.int64)
    for group in range(op.groups):
        some = slice(group * outputs // op.groups, (group + 1) * outputs // op.groups)
        whole[some, group * own : (group + 1) * own] = op.weight[some]
    return whole


def _is_by_channel(graph: Graph, window: Window) -> bool:
    channels = graph.tensors[window.root.name].shape[0]
    return window.weight.shape[1] == 1 and len(window.weight) == channels > 1


def _folded(graph: Graph, window: Window) -> Window:
    pool = window.root.op
    if _is_by_channel(graph, window):
        return window
    if not isinstance(pool, SumPool2d) or pool.kernel != pool.stride or pool.padded:
        return window
    source = graph[window.root.inputs[0]]
    tensor = graph.tensors[source.name]
    if not is_listed(tensor):
        return window
    (height, width), (down, across) = window.covered, pool.kernel
    covered = (height * down, width * across)
    folded = Window(
        source,
        window.weight,
        window.stride,
        window.dilation,
        window.padding,
        (down, across),
        covered,
        window.output,
    )
    places = tensor.shape[0] * math.prod(_padded(folded))
    too_large = places > ELEMENT_LIMIT or window.weight.size * across > MOST_FOLDED_WEIGHTS
    # A layer's stride may be larger than its input, if there is one output only.
    too_far = max(window.stride[0] * down, window.stride[1] * across) > MOST_ELEMENTS
    return window if too_large or too_far else folded


def _padded(window: Window) -> tuple[int, int]:
    """Return height and width of what the windows read, with its padding."""
    axes = zip(
        window.padding,
        window.covered,
        window.output,
        window.stride,
        window.dilation,
        window.weight.shape[2:],
        window.pool,
        strict=True,
    )
    height, width = (
        max(before * pool + size, ((count - 1) * step + (kernel - 1) * apart + 1) * pool)
        for before, size, count, step, apart, kernel, pool in axes
    )
    return height, width


def product_of(graph: Graph, window: Window, sums: Tensor, *, as_events: bool) -> Product:
    """Return the fastest product that is exact.

    Parameters
    ----------
    sums
        The layer's result, whose range decides how many bits its sums have.
    as_events
        Whether values must be listed, whatever they mean.
    """
    source = graph.tensors[window.root.name]
    low, high = source.bounds
    if _is_by_channel(graph, window):
        return Product.CHANNELS
    if as_events or is_listed(source):
        return Product.EVENTS
    largest = int(np.abs(window.weight).max())
    many = len(window.weight) >= MANY_OUTPUTS
    # Either may be 0, and then the other is anything.
    few = low >= 0 and max(high, 1) * max(largest, 1) <= LARGEST_IN_BYTES
    if few and many and not is_wide(sums):
        return Product.LEVELS
    if low >= 0 and high <= 255 and largest <= LARGEST_BYTE:
        fits = _largest_pair(window, source) <= INT16
        if fits and not is_wide(sums):
            return Product.PAIRS8
        if fits:
            return Product.QUADS8
    if max(-low, high, largest) <= INT16:
        return Product.PAIRS16
    return Product.SINGLES


def is_wide(sums: Tensor) -> bool:
    """Return whether sums need 32 bits."""
    low, high = sums.bounds
    return stored(low, high) is Type.I32 or high > INT16


def has_wide_sums(window: Window, product: Product, sums: Tensor) -> bool:
    """Return whether a product adds up in 32 bits.

    Weights of 32 bits are added in as many, although no sum may need them: what they meet may
    never fire.
    """
    match product:
        case Product.LEVELS | Product.PAIRS8:
            return False
        case Product.EVENTS:
            return is_wide(sums) or weight_bits(window, product) == 32
        case Product.QUADS8 | Product.PAIRS16 | Product.SINGLES | Product.CHANNELS:
            return True


def _largest_pair(window: Window, source: Tensor) -> int:
    """Bound the sum of two products that lie side by side, in any of the engine's layouts.

    Those are neighbours in a row of the window, counted from its first element, channels last.
    """
    outputs, channels, height, width = window.weight.shape
    met = np.abs(window.weight) * np.maximum(source.high, 0).reshape(1, -1, 1, 1)
    if window.dilation[1] > 1:  # each column begins a row of its own
        rows = met.transpose(0, 2, 3, 1).reshape(-1, channels)
    else:
        rows = met.transpose(0, 2, 3, 1).reshape(outputs * height, width * channels)
    if rows.shape[1] % 2:
        rows = np.pad(rows, [(0, 0), (0, 1)])
    return int((rows[:, ::2] + rows[:, 1::2]).max())


def write_product(
    words: Words, window: Window, bias: Integers, product: Product, *, wide: bool
) -> None:
    """Write a layer as ``read_linear`` in ``engine.c`` reads it."""
    outputs, channels, kernel_y, kernel_x = window.weight.shape
    down, across = window.pool
    beside = window.dilation[1] == 1 and product is not Product.CHANNELS
    rows = np.repeat(window.weight.transpose(2, 3, 1, 0), across, axis=1)
    segments = []
    for y in range(kernel_y):
        for inside in range(down):
            row = y * window.dilation[0] * down + inside
            first = y * kernel_x * across * channels
            if beside:
                segments.append((row, 0, kernel_x * across, first))
            else:
                for x in range(kernel_x):
                    column = x * window.dilation[1] * across
                    segments.append((row, column, across, first + x * across * channels))
    stride = (window.stride[0] * down, window.stride[1] * across)
    padding = (window.padding[0] * down, window.padding[1] * across)
    words.add(product, wide, weight_bits(window, product), *window.covered, *window.output)
    words.add(*stride, *padding, *_padded(window))
    words.add(rows.size // outputs, len(segments))
    words.array(segments)
    words.array(rows)
    words.array(bias)


def weight_bits(window: Window, product: Product) -> int:
    """Return how many bits a stored weight has."""
    match product:
        case Product.LEVELS | Product.PAIRS8 | Product.QUADS8:
            return 8
        case Product.PAIRS16:
            return 16
        case Product.SINGLES | Product.CHANNELS:
            return 32
        case Product.EVENTS:
            return _bits_of_rows(window)


MOST_BYTES_OF_ROWS = 2**15
"""Most bytes of weights that are stored in 16 bits although 8 hold them."""


def _bits_of_rows(window: Window) -> int:
    """Return the bits of rows that are added.

    Rows of 8 bits must be widened, unless so many of them fit 8 bits together that they are added
    as they are; rows of 16 bits take twice the cache.
    """
    low, high = int(window.weight.min()), int(window.weight.max())
    if max(-low, high) <= LARGEST_IN_BYTES:
        return 8
    across = window.pool[1]
    if low >= -LARGEST_BYTE - 1 and high <= LARGEST_BYTE:
        return 16 if window.weight.size * across * 2 <= MOST_BYTES_OF_ROWS else 8
    return 16 if stored(min(low, -1), high) is Type.I16 else 32
