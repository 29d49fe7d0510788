"""What quantising made of a net, and what it changed, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgespike.floats.net import FloatNet, Reals
from edgespike.graph import Graph


@dataclass(frozen=True)
class LayerLoss:
    """What quantising changed in one layer, on the samples for calibration.

    Parameters
    ----------
    path
        Of the layer in the source's model.
    node
        The graph's node that has its values.
    values
        How many values were compared: neurons, steps and samples.
    different
        Spikes or levels that differ from those of the float net, put on the same levels.
    different_alone
        Those that differ if the layer receives the float net's own values: its own share.
    saturated
        Values at the highest level; of spiking neurons, potentials that saturate.
    active
        Of spiking neurons, values that are spikes.
    """

    path: str
    node: str
    values: int
    different: int
    different_alone: int
    saturated: int
    active: int = 0


@dataclass(frozen=True, eq=False)
class Source:
    """The source itself, which a net and its graph are compared with.

    Parameters
    ----------
    net
        The net as it was read, before anything was folded: its nodes have the source's paths.
    run
        Runs the source on real samples, ``(samples, *shape)`` or ``(samples, steps, *shape)`` as
        :func:`edgespike.floats.run.run_steps` takes them. Returns values by the name of a node of
        ``net``, ``(samples, steps, *shape)``, for those nodes whose values the source shows; the
        readout's are the answers, ``(samples, classes)``.
    same_answers
        Whether the source's answers are the net's; else they only have the same order of classes.
    tolerance
        By which share of a node's largest magnitude the source's own arithmetic may be off.
    as_net
        Turns samples in the order of axes that the source takes into the net's, and leaves those
        in the net's as they are; ``None`` where both are the same.
    """

    net: FloatNet
    run: Callable[[Reals], Mapping[str, Reals]]
    same_answers: bool = True
    tolerance: float = 1e-4
    as_net: Callable[[NDArray[Any]], NDArray[Any]] | None = None


@dataclass(frozen=True)
class Quantised:
    """An integer graph, and how it differs from the net that it was made from.

    Parameters
    ----------
    graph
        The graph.
    net
        The net in real numbers.
    nodes
        Name of the graph's node that has a float node's values, by the float node's name.
    exact
        Whether the graph computes the net exactly, whatever the samples.
    layers
        What changed, layer by layer; empty without samples for calibration.
    flipped, samples
        How many answers differ from the float net's, of how many.
    accuracy_before, accuracy_after
        Share of samples whose class is right, where labels are given.
    assumed
        What the source does not say and was assumed, and how its numbers were rounded; sentences.
    warnings
        What the user should look at: a layer that never fires on the samples.
    source
        The source itself, for comparisons; ``None`` where it cannot be run.
    """

    graph: Graph
    net: FloatNet
    nodes: Mapping[str, str]
    exact: bool
    layers: tuple[LayerLoss, ...] = ()
    flipped: int = 0
    samples: int = 0
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    assumed: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    source: Source | None = None

    @property
    def worst(self) -> LayerLoss | None:
        """The layer that loses most by itself."""
        return max(self.layers, key=lambda x: x.different_alone / x.values, default=None)
