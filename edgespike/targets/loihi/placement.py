"""One placement of a graph's neurons on the cores of a chip: each layer on cores of its own."""

from __future__ import annotations

from edgespike.counting.arrivals import Placement, synapses_by_neuron
from edgespike.graph import Graph
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.limits import CHIPS
from edgespike.targets.loihi.lower import populations_of
from edgespike.targets.loihi.resources import first_neurons, synapses_per_core

RULE = (
    "each layer on cores of its own, its neurons in row-major order, a core filled until its "
    "neurons or its synapse memory are used up"
)


def place(graph: Graph) -> Placement | None:
    """Place a graph's neurons on cores of the first Loihi, as many chips as it takes.

    Intel's compiler may place them otherwise. Each core keeps to the chip's numbers of neurons and
    synapses; input axons and the number of cores are not limited here, ``resources.txt`` of the
    artefact compares them with the chip's.

    Parameters
    ----------
    graph
        A graph without violations.

    Returns
    -------
    placement
        ``None`` if a single neuron has more synapses than a core.
    """
    chip = CHIPS[0]
    first = {}
    for name, synapses in _synapses(graph).items():
        if int(synapses.max()) > synapses_per_core(chip):
            return None
        first[name] = first_neurons(synapses.ravel(), chip)
    return Placement(chip.name, first, RULE)


def _synapses(graph: Graph) -> dict[str, Integers]:
    """Return the synapses that end at each neuron, those from always-on sources included."""
    found = synapses_by_neuron(graph)
    for population in populations_of(graph):
        if population.neurons is None or population.size != population.inputs:
            continue  # a source, or a maximum, whose synapses are those of its windows
        for _, _, weights in population.always_on:
            own = found[population.name]
            found[population.name] = own + (weights != 0).reshape(own.shape)
    return found
