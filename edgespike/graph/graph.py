"""The graph: named operations in the order in which they run, checked at construction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from edgespike.errors import GraphError, InputError, shown
from edgespike.graph.ops import (
    OPERATIONS,
    Delay,
    Input,
    Membrane,
    Op,
    Operation,
    Readout,
    Weighted,
)
from edgespike.graph.scaling import Scaling
from edgespike.graph.tensor import (
    ACCUMULATOR_LIMIT,
    ALL_CHANNELS_LIMIT,
    ARRAYS_LIMIT,
    ELEMENT_LIMIT,
    Tensor,
)
from edgespike.text import number_of

if TYPE_CHECKING:
    from edgespike.graph.files import Stored

STEP_LIMIT = 100_000
"""Most steps that a sample may have."""

NAME_LIMIT = 200
"""Most characters of a graph's name: files are named after it, and file systems allow 255."""

ORIGIN_LIMIT = 500
"""Most characters of what a graph is made from."""

CLASS_NAME_LIMIT = 100
"""Most characters of the name of a class."""

_NAMES_SHOWN = 10
"""How many names of classes of each fault are listed: a file may hold millions."""

NODE_NAME_LIMIT = 1000
"""Most characters of a node's name: archives name arrays after it, and allow 65535."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OpType = TypeVar("_OpType", bound=Op)


def check_name(what: str, name: object, limit: int) -> Iterator[str]:
    """Yield why a value is not a valid name of at most ``limit`` characters."""
    if not isinstance(name, str):
        yield f"{what} is {shown(name)}; give a string"
    elif len(name) > limit:
        yield f"{what} {shown(name)} has {len(name)} characters; the limit is {limit}"
    elif not _NAME.fullmatch(name):
        yield (
            f"{what} {shown(name)} may hold letters, digits, '_', '-' and '.' only, "
            "and must not be empty or begin with '-' or '.'"
        )


def check_origin(origin: object) -> Iterator[str]:
    """Yield why a value is not a line of text of at most `ORIGIN_LIMIT` characters."""
    if not isinstance(origin, str):
        yield f"origin is {shown(origin)}; give a string"
    elif len(origin) > ORIGIN_LIMIT:
        yield f"origin has {len(origin)} characters; the limit is {ORIGIN_LIMIT}"
    elif not origin.isprintable():
        yield f"origin is {shown(origin)}; give one line of printable characters"


def check_class_names(names: object) -> Iterator[str]:
    """Yield why a value is not a tuple of different lines of text, or empty."""
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        yield f"class_names is {shown(names)}; give a tuple of strings"
        return
    bad = 0
    for name in names:
        if not 1 <= len(name) <= CLASS_NAME_LIMIT or not name.isprintable() or name.isspace():
            yield (
                f"class name {shown(name)} must be 1 to {CLASS_NAME_LIMIT} printable characters, "
                "not only spaces"
            )
            bad += 1
            if bad == _NAMES_SHOWN:
                break
    twice = sorted((name, count) for name, count in Counter(names).items() if count > 1)
    for name, count in twice[:_NAMES_SHOWN]:
        yield f"class name {shown(name)} is used {count} times; give each class its own"


@dataclass(frozen=True)
class Node:
    """One operation, its name, and the names of the nodes whose outputs are its inputs.

    Raises
    ------
    GraphError
        A part has the wrong type, or the operation is not one of
        :data:`edgespike.graph.ops.Operation`.
    """

    name: str
    op: Operation
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _as_tuple(self.inputs))
        faults = list(self._check_types())
        if faults:
            raise GraphError(f"node {shown(self.name)} cannot be created", faults)

    def _check_types(self) -> Iterator[str]:
        if not isinstance(self.name, str):
            yield f"name is {shown(self.name)}; give a string"
        if type(self.op) not in OPERATIONS.values():
            known = ", ".join(op.__name__ for op in OPERATIONS.values())
            yield f"op is {shown(self.op)}; give an operation: {known}"
        if isinstance(self.inputs, str):
            word = shown(self.inputs)
            yield f"inputs is the string {word}; give a tuple of names, ({word},)"
        else:
            yield from _check_tuple("inputs", self.inputs, str, "names")


def _as_tuple(values: Any) -> Any:
    """Return an iterable as a tuple; anything else, and a string, unchanged."""
    return tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else values


def _check_tuple(what: str, values: object, kind: type, members: str) -> Iterator[str]:
    if not isinstance(values, tuple):
        yield f"{what} is {shown(values)}; give a tuple of {members}"
        return
    foreign = [value for value in values if not isinstance(value, kind)]
    if foreign:
        yield f"{what} holds {shown(foreign[0])}; give a tuple of {members}"


@dataclass(frozen=True, repr=False)
class Graph:
    """Operations on integers that every target computes bit for bit.

    A sample runs for ``steps`` steps; at each step every node computes once, in order. Membranes
    and the readout keep their state from step to step and start every sample at zero; delays give
    their source's output of the previous step.

    Parameters
    ----------
    name
        At most 200 characters: letters, digits, ``_``, ``-`` and ``.``; file names start with it.
    nodes
        One input first, one readout last; each node after the nodes that its inputs come from.
        Only a delay may come before its source.
    steps
        Steps of one sample, 1 to 100,000.
    origin
        What it is made from, and whose arithmetic it has where several are possible; a sentence of
        at most 500 printable characters, or empty.
    class_names
        The name of each class, in the order of the readout's answers; or empty. All are different,
        of 1 to 100 printable characters.
    scaling
        How measured numbers become the input's whole numbers; None if the graph is given whole
        numbers, as pixels are. What the graph computes does not depend on it.

    Raises
    ------
    GraphError
        The graph is not valid; all violations are listed.
    """

    name: str
    nodes: tuple[Node, ...]
    steps: int = 1
    origin: str = ""
    class_names: tuple[str, ...] = ()
    scaling: Scaling | None = None
    tensors: Mapping[str, Tensor] = field(init=False, repr=False, compare=False)
    """Shape, proven range and meaning of each node's output, by the node's name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _as_tuple(self.nodes))
        object.__setattr__(self, "class_names", _as_tuple(self.class_names))
        if isinstance(self.steps, np.integer):
            object.__setattr__(self, "steps", int(self.steps))
        violations = list(self._check_frame())
        tensors: dict[str, Tensor] = {}
        if not violations:
            violations = list(self._infer(tensors)) or list(self._check_labels())
        if violations:
            raise GraphError(f"graph {shown(self.name)} is not valid", violations)
        object.__setattr__(self, "tensors", MappingProxyType(tensors))

    def __reduce__(self) -> tuple[type[Graph], tuple[Any, ...]]:
        # For copies and other processes; the ranges are proven again there.
        return Graph, tuple(getattr(self, each.name) for each in fields(self) if each.init)

    def __repr__(self) -> str:
        """Return name, size, input and answer on one line; ``edgespike show`` lists the nodes."""
        op, steps = self.input_op, number_of(self.steps, "step")
        return (
            f"<Graph {self.name!r}: {len(self.nodes)} nodes, {steps}, input {op.shape} of "
            f"{op.low}..{op.high}, {self.readout_op.classes} classes>"
        )

    def __str__(self) -> str:
        """Return a table of at most 25 lines; ``edgespike show --layers`` lists everything."""
        from edgespike.graph.summary import graph_summary

        return "\n".join(graph_summary(self))

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; ``None``, and it shows the text, without extra report."""
        from edgespike.report.notebook import graph_html

        return graph_html(self)

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def stored(self) -> Stored:
        """Hash and sizes of the graph's file; cached, because packing the weights takes a while."""
        from edgespike.graph.files import stored

        return stored(self)

    @property
    def hash(self) -> str:
        """SHA-256 of everything in the graph, 64 hexadecimal digits."""
        return self.stored.sha256

    @property
    def input(self) -> Node:
        """The input node."""
        return self.nodes[0]

    @property
    def readout(self) -> Node:
        """The readout node."""
        return self.nodes[-1]

    @property
    def input_op(self) -> Input:
        """The input node's operation."""
        op = self.input.op
        if not isinstance(op, Input):  # the check at construction makes this impossible
            raise TypeError(f"the first operation is {type(op).__name__}; expected Input")
        return op

    @property
    def readout_op(self) -> Readout:
        """The readout node's operation."""
        op = self.readout.op
        if not isinstance(op, Readout):  # the check at construction makes this impossible
            raise TypeError(f"the last operation is {type(op).__name__}; expected Readout")
        return op

    @cached_property
    def values_per_step(self) -> int:
        """Number of values of all nodes together in one step of a sample."""
        return sum(tensor.size for tensor in self.tensors.values())

    @property
    def is_recurrent(self) -> bool:
        """Whether it has delays, so that a node's input may come from an earlier step.

        Membranes and readouts, which keep only a state of their own, do not make it recurrent.
        """
        return any(isinstance(node.op, Delay) for node in self.nodes)

    def of_type(self, kind: type[_OpType]) -> Iterator[tuple[Node, _OpType]]:
        """Iterate over the nodes whose operation is of one type."""
        for node in self.nodes:
            if isinstance(node.op, kind):
                yield node, node.op

    def input_tensors(self, node: Node) -> list[Tensor]:
        """Return the tensors that enter a node."""
        return [self.tensors[name] for name in node.inputs]

    def _check_frame(self) -> Iterator[str]:
        """Check names, order, connections and memory; operations are checked later."""
        yield from check_name("name", self.name, NAME_LIMIT)
        yield from check_origin(self.origin)
        yield from check_class_names(self.class_names)
        if not isinstance(self.scaling, Scaling | None):
            yield f"scaling is {shown(self.scaling)}; give a Scaling or None"
        whole = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if not whole or not 1 <= self.steps <= STEP_LIMIT:
            yield f"steps is {shown(self.steps)}; it must be a whole number in 1..{STEP_LIMIT}"
        no_nodes = list(_check_tuple("nodes", self.nodes, Node, "Nodes"))
        yield from no_nodes
        if no_nodes:
            return
        size = sum(node.op.array_bytes for node in self.nodes)
        if size > ARRAYS_LIMIT:
            yield f"its arrays take {size} bytes; the limit is {ARRAYS_LIMIT}, use smaller layers"
        kinds = [type(node.op) for node in self.nodes]
        if kinds.count(Input) != 1 or kinds[0] is not Input:
            yield "it must begin with its one input node"
        if kinds.count(Readout) != 1 or kinds[-1] is not Readout:
            yield "it must end with its one readout node"
        names = {node.name for node in self.nodes}
        seen: set[str] = set()
        used: set[str] = set()
        for node in self.nodes:
            yield from _check_connections(node, names if isinstance(node.op, Delay) else seen)
            if node.name in seen:
                yield f"node name {node.name} is used twice"
            seen.add(node.name)
            used.update(node.inputs)
        unused = [node.name for node in self.nodes[:-1] if node.name not in used]
        if unused:
            yield f"nothing uses the output of {', '.join(unused)}; remove or connect them"

    def _check_labels(self) -> Iterator[str]:
        """Compare names and scaling with the readout and the input."""
        classes = self.readout_op.classes
        if self.class_names and len(self.class_names) != classes:
            yield f"there are {len(self.class_names)} class names for {classes} classes"
        if self.scaling is not None:
            yield from self.scaling.fits(self.input_op.shape)

    def _infer(self, tensors: dict[str, Tensor]) -> Iterator[str]:
        """Fill in the tensors, except those that depend on a node that does not fit."""
        channels = 0
        for node in self.nodes:
            # A delay declares its own output; its source may not be known yet.
            sources = () if isinstance(node.op, Delay) else node.inputs
            if any(name not in tensors for name in sources):
                continue
            inputs = [tensors[name] for name in sources]
            violations = [f"{node.name} ({node.op.kind}): {line}" for line in node.op.check(inputs)]
            yield from violations
            if violations:
                continue
            channels += sum(tensor.shape[0] for tensor in inputs)
            if channels > ALL_CHANNELS_LIMIT:
                yield _too_many_channels(node, channels)
                return
            tensor = node.op.infer(inputs, self.steps)
            channels += tensor.shape[0]
            too_large = list(_check_size(node, tensor, inputs, self.steps))
            yield from too_large
            if not too_large:
                tensors[node.name] = tensor
        yield from self._check_delays(tensors)

    def _check_delays(self, tensors: Mapping[str, Tensor]) -> Iterator[str]:
        """Compare what delays declare with the proven output of their sources."""
        for node, op in self.of_type(Delay):
            (name,) = node.inputs
            source = self[name].op
            if not source.emits_events:
                yield (
                    f"{node.name} (delay) delays {name} ({source.kind}), which emits no events; "
                    f"{_events_instead_of(source)}"
                )
            elif name in tensors and node.name in tensors:
                violations = op.check_source(tensors[name])
                yield from (f"{node.name} (delay): {line}" for line in violations)

    def synapses(self) -> int:
        """Return the number of weights that are not zero; a kernel's are counted once."""
        return sum(
            int((node.op.weight != 0).sum()) for node in self.nodes if isinstance(node.op, Weighted)
        )


def as_graph(value: object) -> Graph:
    """Return a graph unchanged.

    Raises
    ------
    InputError
        The value is not a graph but, for example, the path of a file.
    """
    if not isinstance(value, Graph):
        raise InputError(
            f"graph is {shown(value)}; give a Graph: edgespike.load reads one from a file, "
            "edgespike.convert makes one from a model"
        )
    return value


def _check_connections(node: Node, known: set[str]) -> Iterator[str]:
    yield from check_name("node name", node.name, NODE_NAME_LIMIT)
    missing = [name for name in node.inputs if name not in known]
    if missing:
        names = ", ".join(missing)
        if isinstance(node.op, Delay):
            yield f"{node.name} has inputs that are not nodes: {names}; use names of nodes"
        else:
            yield (
                f"{node.name} has inputs that do not come before it: {names}; move them before "
                "it, or connect them through a delay"
            )
    arity, what = node.op.arity, f"{node.name} ({node.op.kind}): number of inputs is"
    if arity is None and len(node.inputs) < 2:
        yield f"{what} {len(node.inputs)}; expected two or more"
    if arity is not None and len(node.inputs) != arity:
        yield f"{what} {len(node.inputs)}; expected {arity}"


def _events_instead_of(source: Operation) -> str:
    """Say what to delay instead of a source that emits no events."""
    if isinstance(source, Membrane):
        return "let it emit spikes"
    if not isinstance(source, Delay):
        return "delay the neurons before it"
    first, last = source.low + 1, max(source.low + 1, source.high)
    offset = f", minus {source.low}" if source.low else ""
    return (
        f"put a threshold with theta {first}..{last} in each channel between the two, which "
        f"gives its values{offset}"
    )


def _too_many_channels(node: Node, channels: int) -> str:
    return (
        f"{channels} channels enter and leave the nodes up to {node.name}; the limit for all "
        f"nodes together is {ALL_CHANNELS_LIMIT}, use fewer or narrower layers"
    )


def _check_size(node: Node, tensor: Tensor, inputs: list[Tensor], steps: int) -> Iterator[str]:
    if tensor.size > ELEMENT_LIMIT:
        yield (
            f"{node.name} has {tensor.size} elements; the limit is {ELEMENT_LIMIT}, "
            "use smaller layers"
        )
    low, high = node.op.range_in_use(inputs, tensor, steps)
    if max(-low, high) > ACCUMULATOR_LIMIT:
        unit = f" (in 1/{2**node.op.range_fraction_bits})" if node.op.range_fraction_bits else ""
        yield (
            f"{node.name} can reach {low}..{high}{unit}; the limit is +-{ACCUMULATOR_LIMIT}, "
            "use smaller weights or fewer steps"
        )
