"""Names of classes and the scaling of the input, which any converter's graph may get."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgespike.errors import UnsupportedError, shown
from edgespike.graph import Graph, Scaling
from edgespike.graph.graph import check_class_names

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions

LABELS = ("class_names", "mean", "std")
"""The options that :func:`labelled` uses, so that no converter has to."""


def label_faults(options: ConvertOptions) -> Iterator[str]:
    """Yield why names, mean or standard deviation are not valid, whatever the model."""
    if options.class_names is not None:
        if options.class_names == ():
            yield "class_names is empty; give a name for each class, or leave it out"
        yield from check_class_names(options.class_names)
    for name, value in (("mean", options.mean), ("std", options.std)):
        if value is not None and not _are_numbers(value):
            yield f"{name} is {shown(value)}; give a tuple of finite numbers"
        elif value is not None and name == "std" and min(value) <= 0:
            yield f"std holds {min(value):g}; a standard deviation must be above 0"


def labelled(graph: Graph, options: ConvertOptions) -> Graph:
    """Return a graph with the names and the scaling that a user gave, if any.

    The source takes ``(x - mean) / std`` of measured numbers x, and one unit of the graph's input
    stands for ``scale`` of that; so ``mean`` becomes 0, and ``std * scale`` more becomes 1 more.

    Raises
    ------
    UnsupportedError
        There are not as many names as classes, or not as many numbers as features or channels.
    GraphError
        A step of the scaling is too small or too large for a number.
    """
    faults = []
    names = graph.class_names if options.class_names is None else options.class_names
    if names and len(names) != graph.readout_op.classes:
        faults.append(
            f"there are {len(names)} class names, and the model has {graph.readout_op.classes} "
            "classes; give one for each"
        )
    size = graph.input_op.shape[0]
    given = {"mean": options.mean, "std": options.std}
    faults += [
        f"{name} has {len(values)} numbers; the input of shape {graph.input_op.shape} needs 1 or "
        f"{size}, one for each entry of its first axis"
        for name, values in given.items()
        if values is not None and len(values) not in (1, size)
    ]
    if faults:
        raise UnsupportedError("model cannot be converted", faults)
    scaling = graph.scaling if options.mean is options.std is None else _scaling(graph, options)
    if (names, scaling) == (graph.class_names, graph.scaling):
        return graph
    return replace(graph, class_names=names, scaling=scaling)


def _scaling(graph: Graph, options: ConvertOptions) -> Scaling:
    mean = (0.0,) if options.mean is None else options.mean
    std = (1.0,) if options.std is None else options.std
    count = max(len(mean), len(std))
    offset = mean * (count // len(mean))
    step = tuple(value * graph.input_op.scale for value in std) * (count // len(std))
    return Scaling(offset, step)


def _are_numbers(values: Any) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) > 0
        and all(
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max
            for value in values
        )
    )
