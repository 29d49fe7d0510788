"""The nodes of a float net, in order, with its readout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from edgespike.converters.base import ConvertOptions
from edgespike.converters.nir.dialect import Dialect
from edgespike.converters.nir.layers import Part, carried, delays
from edgespike.converters.nir.net import NirNet
from edgespike.converters.nir.order import Edge
from edgespike.errors import UnsupportedError
from edgespike.floats.net import (
    FloatAdd,
    FloatDelay,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatOp,
    FloatReadout,
)
from edgespike.graph import ReadoutMode

_NAME_CHARACTERS = 200

_MODES = {
    "potential": ReadoutMode.LAST,
    "max": ReadoutMode.MAX,
    "sum": ReadoutMode.SUM,
    "count": ReadoutMode.SUM,
}


class Assembly:
    """Makes a float net of a file's nodes.

    Parameters
    ----------
    net
        The file's nodes and edges.
    parts
        What each node becomes.
    dialect
        How it is read.
    waiting
        Edges that wait a step.
    """

    def __init__(
        self, net: NirNet, parts: dict[str, Part], dialect: Dialect, waiting: Sequence[Edge]
    ) -> None:
        self._net, self._parts, self._dialect = net, parts, dialect
        self._waiting = set(waiting)
        self._nodes: list[FloatNode] = []
        self._taken: set[str] = set()
        self._values: dict[str, str] = {}

    def net_of(
        self,
        order: Sequence[str],
        end: str,
        options: ConvertOptions,
        assumed: Sequence[str],
        steps: int,
    ) -> FloatNet:
        """Return the net; ``order`` begins with the input."""
        for path in order:
            # Names of what comes later are needed by the edges that wait.
            self._values[path] = self._value_of(path)
        for path in order:
            self._add(path)
        mode, more = self._readout(end, options)
        self._append(f"{end}_readout", FloatReadout(mode), (self._last(end),), end)
        told = [*assumed, *(self._sentence(edge) for edge in sorted(self._waiting)), *more]
        return FloatNet(tuple(self._nodes), steps, tuple(told))

    def _value_of(self, path: str) -> str:
        """Return the name of the node that will have a file's node's value."""
        if self._parts[path].ops or self._net.nodes[path].kind == "Input":
            return self._free(path)
        sources = self._net.sources(path)
        if len(sources) > 1 or (sources[0], path) in self._waiting:
            return self._free(path)
        return self._values[sources[0]]

    def _add(self, path: str) -> None:
        part, name = self._parts[path], self._values[path]
        if self._net.nodes[path].kind == "Input":
            self._put(name, FloatInput(carried(part.shape)), (), path)
            return
        sources = self._net.sources(path)
        if delays(self._net.nodes[path], self._dialect):
            # Each source is delayed for itself, since sums cannot take what comes later.
            self._add_delays(path, name, sources)
            return
        inputs = tuple(self._arriving(path, source) for source in sources)
        if len(inputs) > 1:
            if not part.ops:
                self._put(name, FloatAdd(), inputs, path)
                return
            inputs = (self._append(f"{path}_sum", FloatAdd(), inputs, path),)
        for op in part.ops[:-1]:
            inputs = (self._append(f"{path}_{_label(op)}", op, inputs, path),)
        if part.ops:
            self._put(name, part.ops[-1], inputs, path)
        elif name not in {node.name for node in self._nodes}:
            # A node without an operation of its own, behind an edge that waits.
            self._nodes[-1] = replace(self._nodes[-1], name=name)

    def _add_delays(self, path: str, name: str, sources: Sequence[str]) -> None:
        ends = []
        for source in sources:
            value = self._values[source]
            for op in self._parts[path].ops[:-1]:
                value = self._append(f"{path}_delay", op, (value,), path)
            ends.append(value)
        last = self._parts[path].ops[-1]
        if len(ends) == 1:
            self._put(name, last, (ends[0],), path)
            return
        inputs = tuple(self._append(f"{path}_delay", last, (value,), path) for value in ends)
        self._put(name, FloatAdd(), inputs, path)

    def _arriving(self, path: str, source: str) -> str:
        if (source, path) not in self._waiting:
            return self._values[source]
        op = FloatDelay(carried(self._parts[source].shape))
        return self._append(f"{source}_previous", op, (self._values[source],), source)

    def _readout(self, end: str, options: ConvertOptions) -> tuple[ReadoutMode, list[str]]:
        """Choose what answers, and let the last neurons give their potential where that does."""
        name = self._last(end)
        index = next(i for i, node in enumerate(self._nodes) if node.name == name)
        op, chosen = self._nodes[index].op, options.readout
        offered: tuple[str, ...]
        if not isinstance(op, FloatNeurons):
            offered, default = ("sum", "max"), "sum"
        elif op.emits_potential:
            offered, default = ("potential", "max", "sum"), "potential"
        else:
            offered, default = ("count", "potential", "max", "sum"), "count"
        if chosen is not None and chosen not in offered:
            raise UnsupportedError(
                "model cannot be converted",
                [f"readout is {chosen}, but the net ends in {self._nodes[index].path}; it can be "
                 f"{', '.join(offered)}"],
            )  # fmt: skip
        word = chosen or default
        if isinstance(op, FloatNeurons) and not op.emits_potential and word != "count":
            if sum(name in node.inputs for node in self._nodes):
                raise UnsupportedError(
                    "model cannot be converted",
                    [f"readout is {word}, but other nodes need the spikes of {name}; use count"],
                )
            self._nodes[index] = replace(
                self._nodes[index], op=replace(op, emits_potential=True, max_spikes=1)
            )
        said = [] if chosen else [f"The answer is the {_ANSWERS[default]} (option readout)."]
        return _MODES[word], said

    def _last(self, end: str) -> str:
        return self._values[end]

    def _sentence(self, edge: Edge) -> str:
        source, to = edge
        return f"In the loop through {source}, {to} gets its spikes of the previous step."

    def _append(self, wanted: str, op: FloatOp, inputs: tuple[str, ...], path: str) -> str:
        return self._put(self._free(wanted), op, inputs, path)

    def _put(self, name: str, op: FloatOp, inputs: tuple[str, ...], path: str) -> str:
        self._nodes.append(FloatNode(name, op, inputs, path))
        return name

    def _free(self, wanted: str) -> str:
        """Return a name that a graph's node may have, and that no other has."""
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", wanted)[:_NAME_CHARACTERS] or "_"
        base = base if re.match(r"[A-Za-z0-9_]", base) else f"_{base}"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name


_ANSWERS = {
    "count": "number of spikes of the last neurons",
    "potential": "potential of the last neurons after the last step",
    "sum": "sum of the last layer over the steps",
}


def _label(op: FloatOp) -> str:
    return type(op).__name__.removeprefix("Float").lower()
