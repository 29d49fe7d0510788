"""What is known while a torch module is converted: the graph so far, and the sums at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Operation,
    Readout,
    ReadoutMode,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Tensor
from edgespike.passes.folding import Normalisation, fold


class CannotGoOnError(Exception):
    """What follows cannot be looked at, because an earlier part is missing."""


@dataclass
class Sums:
    """A weighted layer whose sums wait for their activation.

    Parameters
    ----------
    scale
        Real value of one unit of the accumulator.
    bias
        Trained bias of each channel, in real units, not yet part of the graph.
    """

    scale: Fraction
    bias: NDArray[np.float64]
    normalisation: Normalisation | None = None
    pool: MaxPool2d | None = None


@dataclass(frozen=True)
class Activation:
    """An activation of the module and what it became.

    Parameters
    ----------
    path, node
        Of the module, and of the graph's node that gives what leaves it.
    calls
        How often the module runs in a pass: once with all steps, or once for each.
    """

    path: str
    node: str
    calls: int


@dataclass
class Progress:
    """The graph so far, and what is known of the values at its end.

    Parameters
    ----------
    nodes, tensors
        The graph, and what its nodes give, by name.
    last
        Name of the node that the next one follows.
    event_scale, event_zero
        Real value of one unit of what the last node gives, if that is an event, and the level that
        stands for 0.
    sums
        Of the last node, if that is a weighted layer.
    violations
        What cannot be converted, so far.
    activations
        In the order of execution.
    steps
        Of a sample.
    mode
        What the readout makes of them.
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
    activations: list[Activation] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def start(cls, shape: tuple[int, ...], steps: int = 1) -> Progress:
        """Begin with an input of single spikes, until `scale_input` says otherwise."""
        op = Input(shape, 0, 1, 1.0)
        faults = list(op.check([]))
        if faults:
            raise UnsupportedError("input cannot be converted", faults)
        return cls([Node("input", op)], {"input": op.infer([], steps)}, steps)

    def graph(self, name: str) -> Graph:
        """Return the finished graph."""
        return Graph(name, tuple(self.nodes), self.steps)

    @property
    def tensor(self) -> Tensor:
        """What the last node gives."""
        return self.tensors[self.last]

    def scale_input(self, path: str, high: int) -> None:
        """Make the input one of whole numbers ``0..high`` that stand for 0 to 1."""
        if len(self.nodes) > 1 or self.event_scale != 1:
            self.violations.append(f"{path} scales values inside the net; it must come first")
            return
        op = Input(self.tensor.shape, 0, high, 1 / high)
        self._stop_at(path, op.check([]))
        self.nodes, self.tensors = [Node("input", op)], {"input": op.infer([], self.steps)}
        self.event_scale = Fraction(1, high)

    def append(self, path: str, label: str, op: Operation, beside: tuple[str, ...] = ()) -> None:
        """Add a node behind the last one, and behind some others beside it."""
        sources = (self.last, *beside)
        self._add(path, label, op, sources, [self.tensors[source] for source in sources])

    def append_delay(self, path: str, op: Delay, source: str) -> None:
        """Add a delay of a node that is still to come, see `upcoming`."""
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
        start = (self.last, self.event_scale)
        ends = []
        for branch in branches:
            self.last, self.event_scale = start
            branch()
            if self.sums is not None:
                raise CannotGoOnError(
                    f"{path} has a branch that ends in sums; end it with an activation"
                )
            ends.append((self.last, self.event_scale))
        scales = {scale for _, scale in ends}
        if len(scales) > 1:
            listed = ", ".join(str(float(scale)) for scale in sorted(scales))
            raise CannotGoOnError(
                f"{path} adds events of the scales {listed}; give the activations of both branches "
                "the same one"
            )
        (self.last, _), *others = ends
        self.append(path, "add", Add(), tuple(name for name, _ in others))

    def fire(
        self,
        path: str,
        thresholds: Sequence[Fraction],
        scale: Fraction,
        zero: int = 0,
        calls: int = 1,
    ) -> None:
        """Compare the waiting sums with thresholds, and pool the events if the sums were to be.

        ``scale`` is the real value of one level, ``zero`` the level that stands for 0; ``calls``
        is for `Activation`.
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
        if sums.pool is not None:
            self.append(path, "pool", sums.pool)
        self.activations.append(Activation(path, self.last, calls))
        self.sums, self.event_scale, self.event_zero = None, scale, zero

    def finish(self) -> None:
        """Make the waiting sums the logits."""
        sums, node = self.sums, self.nodes[-1]
        if sums is None:
            raise CannotGoOnError(
                "the net ends in spikes; end it with a quantised layer, whose sums are the logits"
            )
        if sums.normalisation is not None or sums.pool is not None:
            self.violations.append("the readout is normalised or pooled; end with the plain layer")
        if not isinstance(node.op, Dense):
            raise CannotGoOnError(
                "the net ends in a convolution; end it with a quantised dense layer"
            )
        bias = node.op.bias + _whole_bias(sums)
        op = Dense(node.op.weight, bias, node.op.float_nonzero)
        self.nodes[-1] = Node(node.name, op, node.inputs)
        self.tensors[node.name] = op.infer([self.tensors[node.inputs[0]]], self.steps)
        units = np.full(len(sums.bias), float(sums.scale))
        self.append("the readout", "readout", Readout(units, self.mode))

    def _stop_at(self, place: str, found: Iterable[str]) -> None:
        before = len(self.violations)
        self.violations += [f"{place}: {violation}" for violation in found]
        if len(self.violations) > before:
            raise CannotGoOnError(f"what follows {place} was not looked at")


def label_of_neurons(levels: int) -> str:
    """Say what the nodes of neurons that give so many levels are called."""
    return "spikes" if levels == 1 else "levels"


def _whole_bias(sums: Sums) -> NDArray[np.int64]:
    """Round the bias to whole units of the accumulator."""
    if not np.isfinite(sums.bias).all():
        raise CannotGoOnError("the readout's bias is not finite; train again")
    bias = [_round_half_up(Fraction(float(value)) / sums.scale) for value in sums.bias]
    largest = max(bias, key=abs)
    if abs(largest) > ACCUMULATOR_LIMIT:
        raise CannotGoOnError(
            f"the readout's bias is {float(largest):.3g} units of its accumulator; the limit is "
            f"+-{ACCUMULATOR_LIMIT}, so train with smaller biases"
        )
    return np.array(bias, np.int64)


def _round_half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
