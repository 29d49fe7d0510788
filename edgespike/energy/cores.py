"""How busy the busiest core of a placement is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgespike.counting import Counts
from edgespike.counting.arrivals import Placement, arrivals_by_neuron
from edgespike.counting.exact import INT64_LIMIT
from edgespike.errors import InputError
from edgespike.graph import Graph, SumPool2d
from edgespike.graph.tensor import Integers


@dataclass(frozen=True)
class CoreLoad:
    """The busiest core of a placement: the time of a step follows it, not the total.

    Parameters
    ----------
    chip
        Name of the chip that the placement is for.
    cores
        Number of cores in use.
    busiest
        Name of the layer whose core is the busiest.
    synaptic_operations
        Events that arrive at synapses of the busiest core, over all samples and steps.
    mean
        The same as a mean over the cores in use.
    rule
        How neurons were assigned to cores; another placement has another busiest core.
    """

    chip: str
    cores: int
    busiest: str
    synaptic_operations: int
    mean: float
    rule: str = ""


def busiest_core(
    graph: Graph, counts: Counts, events: Mapping[str, Integers], placement: Placement
) -> CoreLoad:
    """Count the events that arrive at each core of a placement, and return the busiest.

    The count is exact for this placement: events arrive at single neurons, see
    :func:`edgespike.counting.arrivals.arrivals_by_neuron`. Events that carry a number and the
    windows of max pools count like spikes that arrive at synapses.

    Parameters
    ----------
    graph
        The graph that ran.
    counts, events
        What it did, and the events of its tally.
    placement
        Which neurons are on the same core.

    Raises
    ------
    InputError
        The placement is of another graph, or sums for single neurons may not fit into 64 bits.
    """
    _check_sums(graph, counts)
    arrivals = arrivals_by_neuron(graph, events, counts.samples)
    if set(placement.first_neurons) != set(arrivals):
        raise InputError(
            f"the placement on {placement.chip} is not one of graph {graph.name!r}: it has the "
            f"layers {', '.join(placement.first_neurons)}, expected {', '.join(arrivals)}"
        )
    loads = {
        name: np.add.reduceat(arrivals[name].ravel(), list(first)).tolist()
        for name, first in placement.first_neurons.items()
    }
    busiest = max(loads, key=lambda name: max(loads[name]))
    return CoreLoad(
        placement.chip,
        placement.cores,
        busiest,
        max(loads[busiest]),
        sum(map(sum, loads.values())) / placement.cores,
        placement.rule,
    )


def _check_sums(graph: Graph, counts: Counts) -> None:
    """Refuse counts whose parts might wrap around in int64."""
    totals = counts.total.totals()
    most = totals["weight_reads"] + totals["pool_operations"] + totals["events"]
    most *= math.prod(math.prod(op.kernel) for _, op in graph.of_type(SumPool2d))
    if most > INT64_LIMIT:
        raise InputError(
            f"the busiest core of graph {graph.name!r} cannot be counted on {counts.samples} "
            f"samples at once: its events may exceed {INT64_LIMIT}; use fewer samples"
        )
