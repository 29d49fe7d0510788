"""How often the loops of a network in C run, from the events of a run.

Each function of a step is described by amounts: how many words are looked at for events, how many
rows of weights are added, how many neurons are compared. An instruction model multiplies each by a
coefficient, see :mod:`edgespike.targets.c.instructions`. Amounts of a weighted layer are exact for
events that arise at the input, at neurons and at max pools. Where values of several nodes are added
or pooled by a sum, an element counts as one event for each of its sources that has one, at most 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    Reset,
    ResetTime,
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.targets.c.cells import INT32
from edgespike.targets.c.layers import Kernel, Layer, magnitude
from edgespike.targets.c.layout import Layout, is_computed
from edgespike.targets.c.packing import CHUNK, field_bits
from edgespike.targets.c.program import Program
from edgespike.targets.c.values import Value
from edgespike.targets.c.weighted import EIGHT
from edgespike.targets.shared.channels_last import plane

Shares = NDArray[np.float64]
"""How often each element of a node has an event in a step, ``(steps, height, width, channels)``."""


class Amounts(dict[str, float]):
    """How often each part of a function runs; 0 times what it does not have."""

    def __missing__(self, part: str) -> float:
        return 0.0

    def include(self, others: Mapping[str, float]) -> None:
        """Add what others have."""
        for part, number in others.items():
            self[part] += number


_STATE = ("potential_", "current_", "fired_")
"""What the names of arrays begin with that are cleared at the start of a sample."""

ROWS_AT_ONCE = 257
"""Rows that ``gather_wide`` adds before it widens its sums."""


@dataclass(frozen=True)
class FunctionWork:
    """What one function of a step does.

    Parameters
    ----------
    node
        Name of the node that the function computes, with what is computed together with it; empty
        for what belongs to no node.
    amounts
        How often each part of it runs for a sample, in the mean, by the part's name.
    """

    node: str
    amounts: Mapping[str, float]


def program_work(
    program: Program, layout: Layout, events: Mapping[str, Integers], samples: int
) -> list[FunctionWork]:
    """Return what the functions of a program do for a sample, in the mean over a run.

    Parameters
    ----------
    program, layout
        What :func:`edgespike.targets.c.lower.lower` returned.
    events
        For each node at which events arise, its events summed over samples, ``(steps, *shape)``,
        as :attr:`edgespike.counting.Tally.events` has them.
    samples
        How many samples ran.
    """
    graph = layout.graph
    shares = event_shares(graph, events, samples)
    found = [
        FunctionWork(node.name, _of(program, layout, node, shares))
        for node in graph.nodes
        if is_computed(layout, node)
    ]
    copied = sum(
        layout.values[node.name].length
        for node, _ in graph.of_type(Delay)
        if node.name in layout.values
    )
    begun = sum(array.bytes for array in program.arrays if array.name.startswith(_STATE))
    rest = {
        "step": float(graph.steps),
        "element copied": float(copied * graph.steps),
        "byte of state cleared": float(begun),
    }
    return [*found, FunctionWork("", rest)]


def event_shares(graph: Graph, events: Mapping[str, Integers], samples: int) -> dict[str, Shares]:
    """Return how often each element of each node is not zero, as :func:`program_work` has it."""
    found: dict[str, Shares] = {}
    for node, op in graph.of_type(Delay):  # its source may come later in the graph
        found[node.name] = np.empty((graph.steps, *plane(op.shape)))
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        if isinstance(node.op, Delay):
            first = np.full((1, *node.op.shape), float(node.op.initial != 0))
            before = _mean(events, node.inputs[0], samples)
            if before is None:
                found[node.name] = np.ones((graph.steps, *plane(node.op.shape)))
            else:
                found[node.name] = _last(np.concatenate([first, before[:-1]]), tensor)
            continue
        own = _mean(events, node.name, samples)
        if own is not None:
            found[node.name] = _last(own, tensor)
            continue
        found[node.name] = _passed(graph, node, found)
    return found


def _mean(events: Mapping[str, Integers], name: str, samples: int) -> Shares | None:
    if name not in events:
        return None
    return np.minimum(np.asarray(events[name], np.float64) / max(1, samples), 1.0)


def _last(values: Shares, tensor: Tensor) -> Shares:
    """Return values ``(steps, *shape)`` with channels last."""
    if len(tensor.shape) == 1:
        return values[:, None, None, :]
    return np.moveaxis(values, 1, -1)


def _passed(graph: Graph, node: Node, found: Mapping[str, Shares]) -> Shares:
    """Return the shares of a node at which no events arise of their own."""
    tensor = graph.tensors[node.name]
    sources = [found[name] for name in node.inputs]
    match node.op:
        case Reshape():
            source = graph.tensors[node.inputs[0]]
            first = sources[0] if len(source.shape) > 1 else sources[0][:, 0, 0, :]
            if len(source.shape) > 1:
                first = np.moveaxis(first, -1, 1)
            return _last(first.reshape(graph.steps, *tensor.shape), tensor)
        case Concatenate():
            return np.concatenate(sources, axis=-1)
        case Add() if all(graph[name].op.emits_events for name in node.inputs):
            return np.minimum(sum(sources[1:], start=sources[0]), 1.0)
        case _:
            return np.ones((graph.steps, *plane(tensor.shape)))


def _of(
    program: Program, layout: Layout, node: Node, shares: Mapping[str, Shares]
) -> dict[str, float]:
    steps = layout.graph.steps
    if node.name in layout.layers:
        amounts = _weighted(program, layout, layout.layers[node.name], shares)
    else:
        amounts = _plain(program, layout, node)
    amounts["function"] = 1
    return {
        name: float(amount * (1 if name in _OF_EVENTS else steps))
        for name, amount in amounts.items()
        if amount
    }


_OF_EVENTS = frozenset(
    {
        "event listed",
        "row found",
        "8-bit row added",
        "4-bit row added",
        "2-bit row added",
        "pairs multiplied",
        "eights multiplied",
        "eights multiplied alone",
        "product of 32 bits",
        "product of 64 bits",
        "rows widened",
    }
)
"""Amounts that are sums over steps already."""


def _weighted(
    program: Program, layout: Layout, layer: Layer, shares: Mapping[str, Shares]
) -> Amounts:
    graph = layout.graph
    kernel = layout.kernels[layer.node.name]
    source = layout.values[layer.root.name]
    share = shares[layer.root.name]
    cell = layout.cells.get(layer.node.name)
    pool = layout.pools.get(cell.name) if cell is not None else None
    to = layout.values[(pool or cell or layer.node).name]
    rows, columns = _positions(layer, pool, to)
    positions, steps = rows * columns, graph.steps
    chunks = layer.padded_outputs // CHUNK
    reach = _reach(layer, source, rows, columns)
    entering = float((share.sum(axis=-1) * reach).sum())
    inside = float(reach.sum()) * source.channels
    amounts = Amounts()
    match kernel:
        case Kernel.EVENTS | Kernel.EVENTS_WIDE:
            bits = field_bits(int(layer.weight.min()), int(layer.weight.max()))
            levels = source.levels or graph.tensors[layer.root.name].bounds[1]
            whole = layer.covers(source.shape)
            listed = min(source.shape[0], (rows - 1) * layer.stride[0] + layer.row_span)
            lines = 1 if whole else listed
            width = source.positions if whole else source.shape[1]
            amounts["line listed"] += lines * levels
            amounts["column listed"] += lines * levels * width
            if source.levels:
                words = ceil(source.channels / 32)
                amounts["word looked at"] += lines * levels * width * words
            else:
                amounts["number looked at"] += lines * levels * width * source.channels
            amounts["event listed"] += float(share[:, :listed].sum())
            if not whole:
                amounts["segment looked at"] += positions * levels * len(layer.segments())
                amounts["level of a window"] += positions * levels
                amounts["row found"] += entering
            amounts[f"{bits}-bit chunk"] += positions * chunks
            amounts[f"{bits}-bit level of a chunk"] += positions * chunks * levels
            amounts[f"{bits}-bit row added"] += entering * chunks
            if kernel is Kernel.EVENTS_WIDE:
                groups = ceil(entering / max(1, positions * steps * levels) / ROWS_AT_ONCE)
                amounts["chunk widened"] += positions * chunks * levels * max(1, groups)
        case Kernel.PAIRS:
            amounts["segment of a window"] += positions * len(layer.segments())
            amounts["span of pairs"] += positions * chunks * len(layer.segments())
            amounts["pairs chunk"] += positions * chunks
            amounts["number of pairs"] += inside * chunks
            amounts["pairs multiplied"] += entering * chunks
        case Kernel.EIGHTS:
            eights = ceil(layer.outputs / EIGHT)
            amounts["segment of a window"] += positions * len(layer.segments())
            amounts["span of eights"] += positions * eights * len(layer.segments())
            amounts["eights chunk"] += positions * eights
            # A function that is called once is compiled into its caller, where registers are few.
            alone = " alone" if _uses(layout, kernel) == 1 else ""
            amounts[f"number of eights{alone}"] += inside * eights
            amounts[f"eights multiplied{alone}"] += entering * eights
        case Kernel.ROWS:
            own = layer.outputs // layer.groups
            wide = max(map(abs, graph.tensors[layer.node.name].bounds)) > INT32
            amounts["tap"] += positions * layer.weight.shape[2] * layer.weight.shape[3]
            amounts["sum begun"] += positions * layer.outputs
            if own == layer.weight.shape[1] == 1:  # products are made of zeros too
                amounts["product of one channel"] += inside
            else:
                amounts["number of rows"] += inside
                amounts[f"product of {64 if wide else 32} bits"] += entering * own
        case _:
            assert_never(kernel)
    amounts["position"] += positions
    narrow = kernel in (Kernel.EVENTS, Kernel.PAIRS)
    if cell is None:
        amounts["chunk taken apart"] += positions * chunks if narrow else 0
        amounts["sum written"] += positions * layer.outputs
    elif _fires_in_halves(program, layout, layer):
        amounts["chunk compared"] += positions * chunks
        amounts["level of a chunk compared"] += positions * chunks * to.levels
    else:
        amounts["chunk taken apart"] += positions * chunks if narrow else 0
        tensor = graph.tensors[layer.node.name]
        amounts.include(_cell(program, layout, cell, tensor, to, positions))
    if pool is not None:
        amounts["word pooled"] += positions * to.words + to.length
    return amounts


def _uses(layout: Layout, kernel: Kernel) -> int:
    """Return how many layers a kernel computes."""
    return sum(each is kernel for each in layout.kernels.values())


def _fires_in_halves(program: Program, layout: Layout, layer: Layer) -> bool:
    """Return whether a layer's sums are compared while they are in the halves of words."""
    begin = f"static void run_{layout.identifiers[layer.node.name]}("
    return any(begin in text and "fire_halves(" in text for text in program.functions)


def _positions(layer: Layer, pool: Node | None, to: Value) -> tuple[int, int]:
    """Return the rows and columns of outputs that are computed."""
    height, width = layer.output
    if pool is None:
        return height, width
    assert isinstance(pool.op, MaxPool2d)
    size_y, size_x = pool.op.kernel
    return min(height, to.shape[0] * size_y), min(width, to.shape[1] * size_x)


def _reach(layer: Layer, source: Value, rows: int, columns: int) -> Integers:
    """Return how many of the windows that are computed each position of the source is in."""
    height, width, _ = source.shape
    found = np.zeros((height, width), np.int64)
    for tap_y in range(layer.weight.shape[2]):
        at_y = np.arange(rows) * layer.stride[0] - layer.padding[0] + tap_y * layer.dilation[0]
        for tap_x in range(layer.weight.shape[3]):
            at_x = (
                np.arange(columns) * layer.stride[1] - layer.padding[1] + tap_x * layer.dilation[1]
            )
            own_y = np.bincount(at_y[(at_y >= 0) & (at_y < height)], minlength=height)
            own_x = np.bincount(at_x[(at_x >= 0) & (at_x < width)], minlength=width)
            found += own_y[:, None] * own_x
    return found


def _cell(
    program: Program, layout: Layout, node: Node, source: Tensor, to: Value, positions: int
) -> Amounts:
    """Return what neurons do at positions at which their sums are known."""
    neurons = positions * to.channels
    amounts = Amounts()
    if isinstance(node.op, Threshold):
        op = node.op
        if to.levels:
            amounts["neuron compared"] += neurons * to.levels
            amounts["word of neurons"] += positions * to.words
        elif f"slope_{layout.identifiers[node.name]}" in program.flash:
            amounts["neuron on a line"] += neurons
        else:
            amounts["neuron searched"] += neurons
            amounts["threshold searched"] += neurons * int(op.levels).bit_length()
        return amounts
    assert isinstance(node.op, Membrane)
    return _membrane(layout.graph, node.op, source, neurons)


def _membrane(graph: Graph, op: Membrane, source: Tensor, neurons: int) -> Amounts:
    low, high = op.potential_range(source, graph.steps)
    inputs = max(abs(end) for end in source.bounds) << op.fraction_bits
    current = [int(np.abs(end).max()) for end in op.current_range(source, graph.steps)]
    largest = max(-int(low.min()), int(high.max())) + magnitude(op.bias) + max(*current, inputs)
    width = 32 if largest <= INT32 // 2 else 64
    amounts = Amounts({f"{width}-bit membrane": neurons})
    decays = int(bool(np.any(op.decay))) + int(op.decay_syn is not None)
    wide = 64 if largest * op.decay_one > INT32 else 32
    amounts[f"{wide}-bit decay"] += neurons * decays
    if op.decay_syn is not None:
        amounts["current kept"] += neurons
    if op.max_spikes > 1:
        amounts[f"{width}-bit division"] += neurons
    if op.reset_time is ResetTime.NEXT_STEP and op.reset is not Reset.NONE:
        amounts["late reset"] += neurons
    if op.reset_time is ResetTime.SAME_STEP_RAISED:
        amounts["threshold raised"] += neurons
    if op.saturates(low, high, graph.steps):
        amounts["membrane saturated"] += neurons
    own = (op.theta, op.decay, op.decay_syn, op.bias, op.floor)
    amounts["parameter read"] += neurons * sum(_varies(each) for each in own)
    return amounts


def _varies(parameter: object) -> bool:
    values = np.asarray(0 if parameter is None else parameter)
    return bool((values != values.flat[0]).any())


def _plain(program: Program, layout: Layout, node: Node) -> Amounts:
    """Return what a function without weights does."""
    graph, value = layout.graph, layout.values[node.name]
    wide = 64 if value.c_type == "int64_t" else 32
    match node.op:
        case Threshold() | Membrane():
            tensor = graph.input_tensors(node)[0]
            amounts = _cell(program, layout, node, tensor, value, value.positions)
            amounts["position"] += value.positions
            if node.inputs[0] in layout.inline:  # it adds its sums up itself
                terms = len(graph[node.inputs[0]].inputs)
                amounts["32-bit term"] += value.size * terms
            return amounts
        case MaxPool2d() | SumPool2d() as op:
            each = value.words if value.levels else value.channels
            taps = value.positions * each * op.kernel[0] * op.kernel[1]
            kind = "sum" if isinstance(op, SumPool2d) else "bits" if value.levels else "number"
            return Amounts({"pool element": value.positions * each, f"pool tap of {kind}": taps})
        case Add():
            return Amounts({f"{wide}-bit term": value.length * len(node.inputs)})
        case Multiply():
            return Amounts({"element multiplied": value.length})
        case Concatenate() | Reshape():
            return Amounts({"element moved": value.length})
        case Readout():
            return Amounts({"element read out": value.length})
        case Conv2d() | Dense() | Input() | Delay():
            raise TypeError(f"{node.name} ({node.op.kind}) is computed elsewhere")
        case _:
            assert_never(node.op)
