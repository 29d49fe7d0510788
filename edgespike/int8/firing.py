"""From sums, or from events, to the stored numbers of a node: thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgespike.graph.tensor import Integers
from edgespike.int8.additions import Doubled, check_addition
from edgespike.int8.growing import Growing, Place, StoppedError
from edgespike.int8.net import Int8Function, Int8Node, Stored
from edgespike.int8.steps import Steps
from edgespike.int8.thresholds import Rows, levels_of, values_at_ends

LEVELS_LIMIT = 2**16
"""Most values that a node may have: those of 16 bits."""

THRESHOLDS_LIMIT = 2**25
"""Most thresholds of a layer: 131,586 channels of 256 values. Finding them takes 2 GB."""

Finish = Callable[[Integers], Integers]


def fire(
    grow: Growing, node: Int8Node, source: str, finish: Finish, rows: Rows | None = None
) -> Int8Node:
    """Add the thresholds of a node, and of functions that alone read it.

    Parameters
    ----------
    source
        The node of the graph that has the sums.
    finish
        From sums ``(rows, any)`` to stored numbers, monotone in each row.
    rows
        By default one row for each channel.

    Returns
    -------
    last
        The last of these functions, or the node, whose numbers the thresholds emit. The graph's
        node has its name.

    Raises
    ------
    StoppedError
        There are too many thresholds.
    """
    tensor = grow.tensors[source]
    low, high = (tensor.low, tensor.high) if rows is None else (rows.low, rows.high)
    last, finish = _with_functions(grow, node, finish, low, high)
    channels = tensor.shape[0]
    zero = grow.zero(last)
    ends = values_at_ends(finish, low, high)
    count = int(ends.max()) - min(int(ends.min()), zero)
    _check_count(grow, last, count, channels)
    levels = levels_of(finish, low, high, zero)
    if rows is not None:
        levels = rows.levels(levels, tensor.low, tensor.high)
    name = grow.add(last, last.name, levels.threshold(zero), source)
    grow.places[last.name] = Place(name, zero)
    return last


def _check_count(grow: Growing, node: Int8Node, count: int, channels: int) -> None:
    if count > LEVELS_LIMIT:
        grow.violations.append(
            f"{node.title} can have {count} values; the limit is {LEVELS_LIMIT}, use 8-bit numbers"
        )
        raise StoppedError
    if count * channels > THRESHOLDS_LIMIT:
        grow.violations.append(
            f"{node.title} has {channels} channels with {count} thresholds each; the limit for all "
            f"together is {THRESHOLDS_LIMIT}, use a smaller layer"
        )
        raise StoppedError


def _with_functions(
    grow: Growing, node: Int8Node, finish: Finish, low: Integers, high: Integers
) -> tuple[Int8Node, Finish]:
    """Return the last of a node and the functions that alone read it, and all in one."""
    ends = values_at_ends(finish, low, high)
    least, most = int(ends.min()), int(ends.max())
    while most - least <= LEVELS_LIMIT and len(readers := grow.readers[node.name]) == 1:
        (reader,) = readers
        if not isinstance(reader.op, Int8Function) or node.name in grow.apart:
            break
        steps = values_of(grow, reader, reader.op, np.arange(least, most + 1))
        node, finish = reader, _Chain(finish, steps)
        least, most = int(steps.values.min()), int(steps.values.max())
    return node, finish


@dataclass(frozen=True)
class StandIn:
    """What stands for a function that has no exact form, so that what follows is examined too."""

    stored: Stored

    def __call__(self, sums: Integers) -> Integers:
        """Return numbers of the range of the true ones."""
        return self.stored.clipped(sums)


@dataclass(frozen=True, eq=False)
class _Chain:
    first: Finish
    then: Finish

    def __call__(self, sums: Integers) -> Integers:
        return self.then(self.first(sums))


def values_of(grow: Growing, node: Int8Node, op: Int8Function, numbers: Integers) -> Steps:
    """Return the values of a function at all numbers of a range.

    One that is not monotone, or not known, becomes a violation; others stand in for its values.
    """
    faults = check_addition(op.function.combine) if isinstance(op.function, Doubled) else ()
    if listed := [f"{node.title}: {fault}" for fault in faults]:
        grow.violations += listed
        return Steps(numbers, StandIn(node.stored)(numbers))
    values = np.asarray(op.function(numbers), np.int64)
    ups, downs = values[1:] > values[:-1], values[1:] < values[:-1]
    if ups.any() and downs.any():
        up, down = int(np.argmax(ups)), int(np.argmax(downs))
        grow.violations.append(
            f"{node.title} rises from {numbers[up]} to {numbers[up + 1]} and falls from "
            f"{numbers[down]} to {numbers[down + 1]}; thresholds need a function that only rises "
            "or only falls"
        )
        values = np.sort(values)
    return Steps(numbers, values)
