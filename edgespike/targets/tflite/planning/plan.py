"""The plan of a graph: how TFLite computes each node, and what is carried from step to step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgespike.graph import Graph, Membrane, Node, ReadoutMode
from edgespike.targets.tflite.limits import UNROLLED_MEMBRANES, UNROLLED_STEPS
from edgespike.targets.tflite.planning.affine import Affine
from edgespike.targets.tflite.planning.membranes import Potentials
from edgespike.targets.tflite.planning.staircase import Staircase
from edgespike.targets.tflite.planning.storage import FLOAT32, Form, Storage
from edgespike.targets.tflite.planning.tiles import Tiles


@dataclass(frozen=True)
class StateTensor:
    """A tensor that a model of one step takes from the step before and passes to the next one.

    Parameters
    ----------
    name
        The node's name, for a membrane followed by which of its states it is.
    shape
        Without the batch, channels last.
    storage
        How it is stored.
    initial
        Value of all elements at a sample's first step.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage
    initial: int = 0


@dataclass(frozen=True)
class NodePlan:
    """How a node is computed, and why.

    Parameters
    ----------
    output
        How its output is stored.
    why
        What allows these numbers, or what forbids int8; a few words.
    entering
        How a weighted node, or what it is merged into, takes its input.
    source
        The weighted node that is computed in one operator with this one, which alone reads its
        accumulators. It may be joined from several nodes, whose inputs it takes side by side; or
        be made for a threshold in 16 bits, of a node that others read too, whose name it has.
    affine
        Weight and bias of the operator, with any threshold folded in.
    largest
        Bound on the magnitude of every number that is computed in float32 for it; else 0.
    states
        What it carries from step to step.
    potentials
        How a membrane's potentials are computed.
    counted
        How the number of thresholds that are reached is stored, if it is turned into the output's
        values by an operator of its own.
    staircase
        How a threshold counts its levels in 16 bits; ``affine`` then gives its sums.
    tiles
        Wide sums, as 16 bits hold them; ``affine`` gives the sums themselves.
    """

    output: Storage
    why: str
    entering: Storage = FLOAT32
    source: Node | None = None
    affine: Affine | None = None
    largest: int = 0
    states: tuple[StateTensor, ...] = ()
    potentials: Potentials | None = None
    counted: Storage | None = None
    staircase: Staircase | None = None
    tiles: Tiles | None = None


@dataclass(frozen=True)
class Plan:
    """How TFLite computes a graph.

    Parameters
    ----------
    graph
        The graph.
    weight_bits
        8; or 4 if weights in int8 layers are stored in 4 bits where they fit; or 2 if, besides,
        those of dense layers are stored in 2 bits where they fit.
    nodes
        By name, for every node that is not merged into another, in the order in which they run.
    sixteen
        Whether it is for TensorFlow Lite Micro and NPUs: 16 bits instead of float32 where that is
        proven, and QUANTIZE widens int8 to int16, not CAST: NPUs run it, tflite-runtime refuses it.
    """

    graph: Graph
    weight_bits: int
    nodes: Mapping[str, NodePlan]
    sixteen: bool = False

    @property
    def forms(self) -> dict[str, Form]:
        """Data type of each node's output."""
        return {name: node.output.form for name, node in self.nodes.items()}

    @property
    def states(self) -> Iterator[StateTensor]:
        """What is carried from step to step, in the order of the graph's nodes."""
        for node in self.graph.nodes:
            if node.name in self.nodes:
                yield from self.nodes[node.name].states


def potential_name(node: Node) -> str:
    """Name the state that holds a membrane's potential."""
    return f"{node.name}:potential"


def current_name(node: Node) -> str:
    """Name the state that holds a membrane's synaptic current."""
    return f"{node.name}:current"


def spikes_name(node: Node) -> str:
    """Name the state that holds what a membrane fired."""
    return f"{node.name}:spikes"


def runs_by_step(graph: Graph) -> bool:
    """Return whether the model computes one step of a graph, because it is recurrent, or all."""
    return graph.is_recurrent


def unrolls(graph: Graph) -> bool:
    """Return whether a recurrent graph has few enough steps to be written unrolled as well."""
    return (
        runs_by_step(graph)
        and graph.steps <= UNROLLED_STEPS
        and membrane_steps(graph) <= UNROLLED_MEMBRANES
    )


def membrane_steps(graph: Graph) -> int:
    """Return how often membranes are written if all steps are unrolled.

    A synaptic current takes as much as another membrane.
    """
    updates = (1 if op.decay_syn is None else 2 for _, op in graph.of_type(Membrane))
    return graph.steps * sum(updates)


def carries_readout(graph: Graph) -> bool:
    """Return whether the answer depends on the accumulators of several steps."""
    return graph.steps > 1 and graph.readout_op.mode is not ReadoutMode.LAST


def readers(graph: Graph) -> dict[str, list[Node]]:
    """Return the nodes that read each node's output, once for each of their inputs it is."""
    found: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            found[name].append(node)
    return found


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a graph's shape in TFLite's order of axes."""
    return (*shape[1:], shape[0])
