"""Which nodes are computed together, and how the values of the others are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Reshape,
    Threshold,
)
from edgespike.graph.ops import Emits
from edgespike.targets.c.choosing import chosen
from edgespike.targets.c.layers import MOST_LEVELS, Kernel, Layer, kernels_of, layer_of
from edgespike.targets.c.values import Value, c_type, identifiers
from edgespike.targets.shared.channels_last import plane

FEWEST_CHANNELS = 8
"""Fewest channels whose values are kept as bits: a position takes whole words."""


@dataclass(frozen=True)
class Layout:
    """How a graph is computed.

    Parameters
    ----------
    graph
        The graph.
    identifiers
        Of all nodes.
    layers, kernels
        Each weighted layer, and its kernel.
    choice
        The kernels that layers have where none is asked for.
    cells
        The neurons that are computed with a layer, by its name.
    pools
        The max pool that is computed with neurons, by their name.
    inline
        Names of the sums, and of the factors of each channel that they add, which the neurons that
        read them compute themselves.
    values
        How values are kept, of the nodes that are kept.
    """

    graph: Graph
    identifiers: dict[str, str]
    layers: dict[str, Layer]
    kernels: dict[str, Kernel]
    choice: dict[str, Kernel]
    cells: dict[str, Node]
    pools: dict[str, Node]
    inline: set[str]
    values: dict[str, Value]

    @property
    def fused(self) -> set[str]:
        """Names of the nodes that others compute."""
        return {node.name for node in (*self.cells.values(), *self.pools.values())}


def make_layout(graph: Graph, forced: Mapping[str, Kernel] | None = None) -> Layout:
    """Decide how a graph is computed.

    Parameters
    ----------
    graph
        The graph.
    forced
        Kernels of layers, by their names, instead of the chosen ones.

    Raises
    ------
    UnsupportedError
        A name is no layer's, or its kernel is not exact; all such are listed.
    """
    readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            readers[name].append(node)
    layers = {
        node.name: layer_of(graph, node, node.op)
        for node in graph.nodes
        if isinstance(node.op, Conv2d | Dense)
    }
    exact = {name: kernels_of(graph, layer) for name, layer in layers.items()}
    _check_forced(exact, forced or {})
    skipped = _skipped_reshapes(graph, readers)
    first = {name: each[0] for name, each in exact.items()}
    may_be = _in_bits(graph, first, readers, skipped)
    choice = {
        name: chosen(graph, layer, exact[name], in_bits=layer.root.name in may_be)
        for name, layer in layers.items()
    }
    kernels = {**choice, **(forced or {})}
    in_bits = _in_bits(graph, kernels, readers, skipped)
    cells = {
        node.name: cell
        for node in graph.nodes
        if node.name in layers and (cell := _cell_after(readers[node.name])) is not None
    }
    pools = {
        cell.name: pool
        for cell in cells.values()
        if cell.name in in_bits and (pool := _pool_after(readers[cell.name])) is not None
    }
    inline = _inline(graph, layers, cells, readers)
    gone = {*cells, *pools, *skipped, *inline}
    names = identifiers(node.name for node in graph.nodes)
    values = {
        node.name: _value(graph, node, names[node.name], bits=node.name in in_bits)
        for node in graph.nodes
        if node.name not in gone
    }
    return Layout(graph, names, layers, kernels, choice, cells, pools, inline, values)


def _check_forced(exact: Mapping[str, list[Kernel]], forced: Mapping[str, Kernel]) -> None:
    """Raise UnsupportedError if layers cannot be computed by kernels that are asked for."""
    faults = _faults(exact, {name: kernel.name for name, kernel in forced.items()})
    if faults:
        raise UnsupportedError("kernels cannot be forced", faults)


def kernel_faults(graph: Graph, named: Mapping[str, str]) -> list[str]:
    """Return why layers cannot be computed by the kernels that are named, one line each.

    Parameters
    ----------
    graph
        The graph.
    named
        Names of members of :class:`Kernel`, by the layers' names.
    """
    exact = {
        node.name: kernels_of(graph, layer_of(graph, node, node.op))
        for node in graph.nodes
        if isinstance(node.op, Conv2d | Dense)
    }
    return _faults(exact, named)


def _faults(exact: Mapping[str, list[Kernel]], named: Mapping[str, str]) -> list[str]:
    faults = []
    for name, kernel in named.items():
        if name not in exact:
            layers = f"there are {', '.join(exact)}" if exact else "the graph has none"
            faults.append(f"{name} is no layer; {layers}")
            continue
        fitting = [each.name for each in exact[name]]
        if kernel not in fitting:
            known = kernel in Kernel.__members__
            what = "is not exact" if known else "is no kernel"
            faults.append(f"{name}: {kernel} {what}; these are: {', '.join(fitting)}")
    return faults


def _value(graph: Graph, node: Node, name: str, *, bits: bool) -> Value:
    tensor = graph.tensors[node.name]
    low, high = tensor.bounds
    if isinstance(node.op, Delay):
        low, high = min(low, node.op.initial), max(high, node.op.initial)
    shape = plane(tensor.shape)
    return Value(name, shape, "uint32_t", high) if bits else Value(name, shape, c_type(low, high))


def _skipped_reshapes(graph: Graph, readers: dict[str, list[Node]]) -> set[str]:
    """Name the reshapes that only dense layers read, directly or through others of them."""
    skipped: set[str] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Reshape) and all(
            isinstance(reader.op, Dense) or reader.name in skipped for reader in readers[node.name]
        ):
            skipped.add(node.name)
    return skipped


def _in_bits(
    graph: Graph,
    kernels: dict[str, Kernel],
    readers: dict[str, list[Node]],
    skipped: set[str],
) -> set[str]:
    """Name the nodes whose values are kept as bits, because all that read them can."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        tensor = graph.tensors[node.name]
        low, high = tensor.bounds
        if not (low >= 0 and 1 <= high <= MOST_LEVELS and tensor.shape[0] >= FEWEST_CHANNELS):
            continue
        match node.op:
            case Threshold() as op:
                makes = op.offset == 0 and op.unit == 1 and op.levels <= MOST_LEVELS
            case Membrane() as op:
                makes = op.emits is Emits.SPIKES and op.max_spikes == 1
            case MaxPool2d():
                makes = True
            case _:
                makes = False
        if makes and all(
            _reads_bits(reader, kernels, readers, skipped, found) for reader in readers[node.name]
        ):
            found.add(node.name)
    # A pool of bits needs a source in bits; a source is decided after its readers.
    while True:
        wrong = {
            name
            for name in found
            if isinstance(graph[name].op, MaxPool2d) and graph[name].inputs[0] not in found
        }
        if not wrong:
            return found
        found -= wrong


def _reads_bits(
    reader: Node,
    kernels: dict[str, Kernel],
    readers: dict[str, list[Node]],
    skipped: set[str],
    in_bits: set[str],
) -> bool:
    match reader.op:
        case Conv2d() | Dense():
            return kernels[reader.name].lists
        case Reshape():
            return reader.name in skipped and all(
                _reads_bits(each, kernels, readers, skipped, in_bits)
                for each in readers[reader.name]
            )
        case MaxPool2d():
            return reader.name in in_bits
        case _:
            return False


def _cell_after(readers: list[Node]) -> Node | None:
    """Return the neurons that alone read a layer's sums."""
    if len(readers) != 1 or not isinstance(readers[0].op, Threshold | Membrane):
        return None
    return readers[0]


def _pool_after(readers: list[Node]) -> Node | None:
    """Return the max pool that alone reads values, if its windows lie side by side."""
    if len(readers) != 1 or not isinstance(readers[0].op, MaxPool2d):
        return None
    op = readers[0].op
    return readers[0] if op.kernel == op.stride and not op.padded else None


def _inline(
    graph: Graph,
    layers: dict[str, Layer],
    cells: dict[str, Node],
    readers: dict[str, list[Node]],
) -> set[str]:
    """Name the sums that neurons alone read, and the factors that these alone add."""
    found: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.op, Threshold | Membrane) and node not in cells.values():
            added = graph[node.inputs[0]]
            if isinstance(added.op, Add) and len(readers[added.name]) == 1:
                found.add(added.name)
                found.update(
                    name
                    for name in added.inputs
                    if name in layers
                    and layers[name].scales
                    and graph.tensors[name].shape == graph.tensors[layers[name].root.name].shape
                    and len(readers[name]) == 1
                )
    return found


def is_computed(layout: Layout, node: Node) -> bool:
    """Return whether a node has a function of its own."""
    if isinstance(node.op, Input | Delay) or node.name in layout.fused:
        return False
    return node.name in layout.values or node.name in layout.cells
