"""A graph under construction: its nodes so far, and what their values stand for.

Every converter of a net of layers can use it; it knows nothing of any framework. Weighted layers
leave sums that wait for an activation; the activation compares them with thresholds, into which
bias and normalisation are folded exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from operator import add
from typing import NoReturn

from edgespike.converters.sums import ConversionStoppedError, Sums
from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    SumPool2d,
)
from edgespike.graph.ops.windows import Padding, padded_twice
from edgespike.graph.tensor import Tensor
from edgespike.passes.folding import Normalisation, fold


@dataclass(frozen=True)
class ConvertedActivation:
    """An activation of the model and what it became.

    Parameters
    ----------
    path
        Of the activation in the model.
    node
        The node of the graph that has the activation's values.
    calls
        How often the activation runs in a pass: once with all steps, or once for each.
    """

    path: str
    node: str
    calls: int


@dataclass
class GraphBuilder:
    """A graph under construction, and what is known of the values at its end.

    Parameters
    ----------
    nodes
        The graph so far.
    tensors
        The shape and range of each node's values, by name.
    steps
        Of a sample.
    mode
        What the readout makes of them.
    last
        Name of the node that the next one follows.
    event_scale, event_zero
        Real value of one level of the last node, if it gives events, and the level that stands
        for 0.
    sums
        Those of the last node, if it is a weighted layer.
    violations
        What cannot be converted, so far.
    activations
        In the order of execution.
    padding
        Zeros that the next operation must add around the last node's values, ``(top, bottom, left,
        right)``; see `pad`.
    padded_by
        Path of the module that asked for this padding; ``None`` if none did.
    """

    nodes: list[Node]
    tensors: dict[str, Tensor]
    steps: int = 1
    mode: ReadoutMode = ReadoutMode.SUM
    last: str = "input"
    event_scale: Fraction = Fraction(1)
    event_zero: int = 0
    sums: Sums | None = None
    violations: list[str] = field(default_factory=list)
    activations: list[ConvertedActivation] = field(default_factory=list)
    padding: Padding = (0, 0, 0, 0)
    padded_by: str | None = None
    _numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        shape: tuple[int, ...],
        steps: int = 1,
        limits: tuple[int, int] = (0, 1),
        scale: float = 1.0,
    ) -> GraphBuilder:
        """Begin with an input, by default one of single spikes.

        Parameters
        ----------
        shape
            Of one step of a sample.
        limits
            Smallest and largest whole number of the input.
        scale
            Real value of one unit of the input.

        Raises
        ------
        UnsupportedError
            Lists what is wrong with the input.
        """
        op = Input(shape, *limits, scale)
        faults = list(op.check([]))
        if faults:
            raise UnsupportedError("input cannot be converted", faults)
        tensors = {"input": op.infer([], steps)}
        return cls([Node("input", op)], tensors, steps, event_scale=Fraction(op.scale))

    @contextmanager
    def collecting(self, what: str) -> Iterator[None]:
        """Collect everything that cannot be converted while a model is walked through.

        Parameters
        ----------
        what
            The start of the message: "model 'net' cannot be converted".

        Raises
        ------
        UnsupportedError
            Lists all violations at the end, or where `ConversionStoppedError` ended the walk.
        """
        try:
            yield
        except ConversionStoppedError as stop:
            self.violations.append(str(stop))
        if self.violations:
            raise UnsupportedError(what, self.violations)

    def graph(self, name: str) -> Graph:
        """Return the finished graph."""
        return Graph(name, tuple(self.nodes), self.steps)

    @property
    def tensor(self) -> Tensor:
        """Shape and range of the last node's values."""
        return self.tensors[self.last]

    def scale_input(self, path: str, high: int, low: int = 0) -> None:
        """Make the input whole numbers ``low..high`` of which ``high`` stands for 1."""
        if len(self.nodes) > 1 or self.event_scale != 1:
            self.violations.append(f"{path} scales values inside the net; it must come first")
            return
        op = Input(self.tensor.shape, low, high, 1 / high)
        self._stop_at(path, op.check([]))
        self.nodes, self.tensors = [Node("input", op)], {"input": op.infer([], self.steps)}
        self.event_scale = Fraction(1, high)

    def pad(self, path: str, padding: Padding) -> None:
        """Put zeros around the last node's values; the next convolution or pool adds them."""
        self.padding, self.padded_by = padded_twice(self.padding, padding), path

    def append(self, path: str, label: str, op: Operation, others: tuple[str, ...] = ()) -> None:
        """Add a node that takes the last node's values, and those of some others."""
        if self.padded_by is not None:
            op = self._with_padding(path, op)
        sources = (self.last, *others)
        self._add(path, label, op, sources, [self.tensors[source] for source in sources])

    def _with_padding(self, path: str, op: Operation) -> Operation:
        if not isinstance(op, Conv2d | SumPool2d | MaxPool2d):
            self._refuse_padding(path)
        padding = tuple(map(add, self.padding, chain(*op.sides)))
        self.padding, self.padded_by = (0, 0, 0, 0), None
        return replace(op, padding=padding)

    def _refuse_padding(self, path: str) -> NoReturn:
        raise ConversionStoppedError(
            f"{self.padded_by} pads the input of {path}; put it right before a convolution or pool"
        )

    def append_delay(self, path: str, op: Delay, source: str) -> None:
        """Add a delay of a node that does not exist yet, see `upcoming`."""
        self._add(path, "delay", op, (source,), [])

    def upcoming(self, label: str) -> str:
        """Return the name that the next node of this label will have."""
        return f"{label}{self._numbers.get(label, 0) + 1}"

    def _add(
        self, path: str, label: str, op: Operation, sources: tuple[str, ...], inputs: list[Tensor]
    ) -> None:
        self._stop_at(f"{path} ({label})", op.check(inputs))
        name = self.upcoming(label)
        self._numbers[label] = self._numbers.get(label, 0) + 1
        self.nodes.append(Node(name, op, sources))
        self.tensors[name] = op.infer(inputs, self.steps)
        self.last = name

    def add_branches(self, path: str, branches: Sequence[Callable[[], None]]) -> None:
        """Convert several branches that start here, and add the events at their ends."""
        if self.padded_by is not None:
            self._refuse_padding(path)
        start = (self.last, self.event_scale, self.event_zero)
        ends = []
        for branch in branches:
            self.last, self.event_scale, self.event_zero = start
            branch()
            if self.padded_by is not None:
                self._refuse_padding(path)
            if self.sums is not None:
                raise ConversionStoppedError(
                    f"{path} has a branch that ends in sums; end it with an activation"
                )
            ends.append((self.last, self.event_scale, self.event_zero))
        scales = {scale for _, scale, _ in ends}
        if len(scales) > 1:
            listed = ", ".join(str(float(scale)) for scale in sorted(scales))
            raise ConversionStoppedError(
                f"{path} adds events of the scales {listed}; give the activations of both branches "
                "the same scale"
            )
        (self.last, _, _), *others = ends
        self.append(path, "add", Add(), tuple(name for name, _, _ in others))
        self.event_zero = sum(zero for _, _, zero in ends)

    def fire(
        self,
        path: str,
        thresholds: Sequence[Fraction],
        scale: Fraction,
        zero: int = 0,
        calls: int = 1,
    ) -> None:
        """Compare the waiting sums with thresholds, and then pool if pools are waiting.

        Parameters
        ----------
        thresholds
            Real values, ascending; the level is the number of thresholds that are reached.
        scale
            Real value of one level.
        zero
            The level that stands for 0.
        calls
            See `ConvertedActivation`.
        """
        sums = self.sums
        if sums is None:
            self.violations.append(f"{path} follows no weighted layer, so there is nothing to sum")
            return
        normalisation = sums.normalisation or Normalisation.identity(len(sums.bias))
        try:
            op = fold(sums.scale, sums.bias.tolist(), normalisation, thresholds, self.tensor)
        except UnsupportedError as error:
            self._stop_at(path, error.violations)
            raise
        self.append(path, label_of_neurons(op.levels), op)
        for pool in sums.pools:
            self.append(path, "pool", pool)
        self.activations.append(ConvertedActivation(path, self.last, calls))
        self.sums, self.event_scale, self.event_zero = None, scale, zero

    def finish(self) -> None:
        """Make the waiting sums the logits."""
        sums, node = self.sums, self.nodes[-1]
        if sums is None:
            raise ConversionStoppedError(
                "the net ends in spikes; end it with a quantised layer, whose sums are the logits"
            )
        if sums.pools:
            self.violations.append("the readout is pooled; end the net with a plain layer")
        if not isinstance(node.op, Dense):
            raise ConversionStoppedError(
                "the net ends in a convolution; end it with a quantised dense layer"
            )
        try:
            logits = sums.logits()
        except UnsupportedError as error:
            self._stop_at("the readout", error.violations)
            raise
        bias = logits.signs * node.op.bias + logits.bias
        op = Dense(logits.signs[:, None] * node.op.weight, bias, node.op.float_nonzero)
        self.nodes[-1] = Node(node.name, op, node.inputs)
        self.tensors[node.name] = op.infer([self.tensors[node.inputs[0]]], self.steps)
        self.append("the readout", "readout", Readout(logits.scales, self.mode))

    def _stop_at(self, place: str, found: Iterable[str]) -> None:
        before = len(self.violations)
        self.violations += [f"{place}: {violation}" for violation in found]
        if len(self.violations) > before:
            raise ConversionStoppedError(f"what follows {place} was not examined")


def label_of_neurons(levels: int) -> str:
    """Return the label of nodes whose neurons have this many levels."""
    return "spikes" if levels == 1 else "levels"
