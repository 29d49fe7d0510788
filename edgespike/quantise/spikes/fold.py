"""Fold everything linear of a spiking net in real numbers into its weighted layers.

What is left computes on the whole numbers that the graph's events will be: inputs in their unit,
and numbers of spikes. It has inputs, weighted layers, pools, additions, reshapes, delays, neurons
and a readout, whose input is sums or potentials. Every value but an event's is the same as before,
up to the rounding of float64; `Folded.exact` says whether anything was rounded. Why this is not
:func:`edgespike.floats.fold.folded` is said there.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edgespike.errors import UnsupportedError
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
    Reals,
)
from edgespike.floats.shapes import Shape, shapes_of
from edgespike.floats.weighted import Weighted, after_affine, per_input
from edgespike.quantise.dyadic import exact_product, exact_sum
from edgespike.quantise.lines import Line
from edgespike.quantise.spikes.draft import Draft
from edgespike.quantise.spikes.event_lines import Lines, NoLineError
from edgespike.quantise.spikes.folded import Folded
from edgespike.quantise.spikes.inserted import IDENTITY_LIMIT, identity, offset_plane


def fold(net: FloatNet, input_scale: float) -> Folded:
    """Fold a net.

    Parameters
    ----------
    net
        A net with spiking neurons.
    input_scale
        Real value of one unit of the input.

    Raises
    ------
    UnsupportedError
        Lists everything that has no place in a graph, by path.
    """
    shapes, faults = shapes_of(net)
    if faults:
        raise UnsupportedError("spiking net cannot be quantised", faults)
    folder = _Folder(net, shapes, input_scale)
    for node in net.nodes:
        folder.visit(node)
    if folder.draft.faults:
        raise UnsupportedError("spiking net cannot be quantised", folder.draft.faults)
    return folder.folded()


class _Folder:
    """A net while it is folded; ``names`` leads from source nodes to those of the folded net."""

    def __init__(self, net: FloatNet, shapes: dict[str, Shape], input_scale: float) -> None:
        self.net, self.source_shapes = net, shapes
        self.draft = Draft(net)
        self.kinds: dict[str, str] = {}  # of source nodes: "events", "sums", "potential"
        self.names: dict[str, str] = {}
        self.lines = Lines(net, shapes, input_scale)
        self.said: list[str] = []

    def folded(self) -> Folded:
        """Return the result, without nodes that nothing uses any more."""
        nodes = [
            replace(node, inputs=(self.names[node.inputs[0]],))
            if isinstance(node.op, FloatDelay)
            else node
            for node in self.draft.out.values()
        ]
        used = _reached({node.name: node for node in nodes}, nodes[-1].name)
        nodes = [node for node in nodes if node.name in used or isinstance(node.op, FloatInput)]
        sums = frozenset(node.name for node in nodes if self.draft.is_sum(node.name))
        net = FloatNet(tuple(nodes), self.net.steps, (*self.net.assumed, *self.said))
        shapes = {node.name: self.draft.shapes[node.name] for node in nodes}
        return Folded(net, shapes, sums, dict(self.names), self.draft.exact)

    def visit(self, node: FloatNode) -> None:
        """Fold one node; what follows a node that was refused is not examined."""
        delayed = isinstance(node.op, FloatDelay)
        if not delayed and any(name not in self.kinds for name in node.inputs):
            return
        kinds = [] if delayed else [self.kinds[name] for name in node.inputs]
        before = len(self.draft.faults)
        try:
            kind = self._fold(node, kinds)
        except NoLineError as error:
            self.draft.faults.append(str(error))
            return
        if len(self.draft.faults) == before:
            self.kinds[node.name] = kind

    def _fold(self, node: FloatNode, kinds: list[str]) -> str:
        """Fold a node, and return the kind of its values."""
        if "potential" in kinds and not isinstance(node.op, FloatReadout | FloatReshape):
            self.draft.refuse(
                node, "takes potentials; only a readout takes them, let the neurons fire"
            )
            return "sums"
        match node.op:
            case FloatInput():
                self._emit(node, ())
                return "events"
            case FloatDelay():
                self._delay(node)
                return "events"
            case FloatDense() | FloatConv2d():
                return self._weighted(node, node.op, kinds[0])
            case FloatAffine(scale, offset):
                source = self.names[node.inputs[0]]
                if kinds[0] == "sums":
                    source = self.draft.pushed(node, source, scale, offset)
                    self.draft.uses[source] = self.draft.uses[node.name]
                self.names[node.name] = source
                return kinds[0]
            case FloatPool2d() as op:
                return self._pool(node, op, kinds[0])
            case FloatAdd() | FloatConcatenate():
                return self._join(node, kinds)
            case FloatReshape():
                self._emit(node, (self.names[node.inputs[0]],))
                return kinds[0]
            case FloatNeurons() as op:
                shape = self.source_shapes[node.name]
                neurons = replace(node, op=_of_one_shape(op, shape))
                self._emit(neurons, (self._as_sums(node, node.inputs[0]),))
                return "potential" if op.emits_potential else "events"
            case FloatReadout():
                self._readout(node)
                return "answer"
            case FloatRelu() | FloatTanh():
                kind = "ReLU" if isinstance(node.op, FloatRelu) else "tanh"
                self.draft.refuse(
                    node, f"is a {kind} in a net that spikes; let spiking neurons follow the layer"
                )
        return "sums"

    def _emit(self, node: FloatNode, inputs: tuple[str, ...]) -> str:
        """Add a node under its name, which source nodes may refer to."""
        self.names[node.name] = node.name
        return self.draft.emit(node, inputs)

    def _insert(self, node: FloatNode, name: str, op: FloatOp, source: str) -> str:
        """Add a node that the source net does not have, under a new name, for one that it has."""
        return self._emit(FloatNode(self.draft.new(name), op, path=node.path), (source,))

    def _delay(self, node: FloatNode) -> None:
        (source,) = node.inputs
        if self.lines.are_events(source):
            if not self.lines.of(source).through_zero:
                self.draft.refuse(
                    node, "delays normalised events, which begin with 0; normalise after the delay"
                )
            self._emit(node, (source,))
        else:
            self.draft.refuse(
                node, f"delays sums or potentials of {source}; delay the spikes before or after"
            )

    def _weighted(self, node: FloatNode, op: FloatDense | FloatConv2d, kind: str) -> str:
        if kind != "events":
            self.draft.refuse(
                node, "takes the sums of another layer; merge both, or let neurons fire between"
            )
            return "sums"
        (source,) = node.inputs
        line = self.lines.of(source)
        self.draft.exact &= line.exact and exact_product(op.weight, line.scale)
        terms = op.weight * per_input(line.offset, op)
        if not line.through_zero:
            self.draft.exact &= exact_product(op.weight, line.offset)
            self.draft.exact &= exact_sum(np.append(terms.ravel(), op.bias))
        if isinstance(op, FloatConv2d) and not line.through_zero and any(op.padding):
            self._add_offset_plane(node, op, after_affine(op, line.scale, 0 * line.offset), terms)
        else:
            events = after_affine(op, line.scale, line.offset)
            self._emit(replace(node, op=events), (self.names[source],))
        return "sums"

    def _add_offset_plane(
        self, node: FloatNode, op: FloatConv2d, events: Weighted, terms: Reals
    ) -> None:
        """Add a padded convolution of events with an offset, which a plane of neurons carries."""
        source = name = self.names[node.inputs[0]]
        for label, part in offset_plane(op, self.draft.shapes[source][0], terms):
            name = self._insert(node, f"{node.name}_{label}", part, name)
        parts = (self._insert(node, f"{node.name}_events", events, source), name)
        self._emit(replace(node, op=FloatAdd()), parts)
        self.said.append(
            f"{node.title}: it pads a normalised input, so a plane of neurons that "
            "always fire carries what the normalisation adds; normalise the samples to save it"
        )

    def _pool(self, node: FloatNode, op: FloatPool2d, kind: str) -> str:
        source = self.names[node.inputs[0]]
        if kind == "events":
            self.lines.of(node.name)  # refuses what it cannot pool
        summed = replace(op, pooling=Pooling.SUM) if op.pooling is Pooling.AVERAGE else op
        self._emit(replace(node, op=summed), (source,))
        if kind == "sums" and op.pooling is Pooling.AVERAGE:
            area = np.full(self.draft.shapes[node.name][0], 1 / prod(op.kernel))
            self.draft.exact &= prod(op.kernel) & (prod(op.kernel) - 1) == 0
            uses, self.draft.uses[node.name] = self.draft.uses[node.name], 1
            self.names[node.name] = self.draft.pushed(node, node.name, area, 0 * area)
            self.draft.uses[self.names[node.name]] = uses
        return kind

    def _join(self, node: FloatNode, kinds: list[str]) -> str:
        if "sums" in kinds:
            sources = tuple(self._as_sums(node, name) for name in node.inputs)
            self._emit(node, sources)
            return "sums"
        self.lines.of(node.name)  # refuses what it cannot join
        self._emit(node, tuple(self.names[name] for name in node.inputs))
        return "events"

    def _readout(self, node: FloatNode) -> None:
        (source,) = node.inputs
        name = self.names[source]
        if self.kinds[source] == "events":
            name = self._as_sums(node, source, flat=True)
        elif len(self.draft.shapes[name]) > 1:
            flat = FloatReshape((prod(self.draft.shapes[name]),))
            name = self._insert(node, f"{name}_flat", flat, name)
        self._emit(node, (name,))

    def _as_sums(self, node: FloatNode, source: str, flat: bool = False) -> str:
        """Return a node of sums with the values of a source node: itself, or an identity."""
        name = self.names[source]
        if self.kinds[source] != "events":
            return name
        line, shape = self.lines.of(source), self.draft.shapes[name]
        self.draft.exact &= line.exact
        if flat and len(shape) == 3:
            after = (prod(shape),)
            each = prod(shape[1:])
            line = Line(np.repeat(line.scale, each), np.repeat(line.offset, each))
            name, shape = self._insert(node, f"{name}_flat", FloatReshape(after), name), after
        op = identity(line, shape)
        if op is None:
            self.draft.refuse(
                node,
                f"takes {shape[0]} events without weights between; the limit is {IDENTITY_LIMIT}, "
                "put a weighted layer between",
            )
            return name
        return self._insert(node, f"{name}_sums", op, name)


def _of_one_shape(op: FloatNeurons, shape: Shape) -> FloatNeurons:
    """Give threshold and gain one shape, that of channels or of neurons."""
    if op.gain is None or op.gain.shape == op.threshold.shape:
        return op
    each = (x.reshape(x.shape + (1,) * (len(shape) - x.ndim)) for x in (op.threshold, op.gain))
    threshold, gain = (np.broadcast_to(x, shape) for x in each)
    return replace(op, threshold=threshold, gain=gain)


def _reached(nodes: dict[str, FloatNode], last: str) -> set[str]:
    """Return the names of the nodes on which one depends, and its own."""
    reached, waiting = {last}, [last]
    while waiting:
        new = [name for name in nodes[waiting.pop()].inputs if name not in reached]
        reached.update(new)
        waiting += new
    return reached
