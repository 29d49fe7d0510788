"""Spiking nets: exactly where their numbers allow that for certain, else rounded.

Exact are nets whose weights, thresholds, leaks, gains and biases are dyadic (whole numbers times a
power of two), if what leaks and sums need in bits fits into a graph. Such a graph may be too wide
for every target but the cpu; give ``bits`` to have it rounded instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatNet
from edgespike.quantise.result import Quantised
from edgespike.quantise.spikes.assemble import assembled
from edgespike.quantise.spikes.bounds import Bounds
from edgespike.quantise.spikes.events_seen import Seen, seen_on
from edgespike.quantise.spikes.fold import fold
from edgespike.quantise.spikes.report import SpikeLoss, spike_loss
from edgespike.quantise.spikes.samples import spiking_input
from edgespike.quantise.spikes.solve import solve
from edgespike.quantise.spikes.widths import FEWEST_BITS, MOST_BITS

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions


def quantise_spikes(net: FloatNet, options: ConvertOptions, name: str) -> Quantised:
    """Turn a net of spiking neurons into a graph.

    Parameters
    ----------
    net
        Has neurons, and no ReLU.
    options
        ``bits`` of a weight; ``input_range``, ``input_scale``; samples in ``calibrate`` and
        ``labels`` for the report, and for the grid of an input of real numbers.
    name
        The graph's.

    Raises
    ------
    UnsupportedError
        Lists everything that has no integer form, and samples that do not fit.
    """
    bits = options.bits
    if bits is not None and not FEWEST_BITS <= bits <= MOST_BITS:
        raise UnsupportedError(
            "spiking net cannot be quantised",
            [f"bits is {bits}; weights of spiking nets have {FEWEST_BITS} to {MOST_BITS}"],
        )
    given = spiking_input(net, options)
    folded = fold(net, given.op.scale)
    seen = Seen() if given.whole is None else seen_on(folded, given.whole)
    solution = solve(folded, Bounds(folded, given.op.low, given.op.high), bits, seen)
    graph = assembled(folded, solution, given.op, name)
    loss = SpikeLoss()
    if given.whole is not None and given.real is not None:
        loss = spike_loss(net, graph, given.real, given.whole)
    before, after = loss.accuracies(options.labels)
    return Quantised(
        graph,
        net,
        {source: found for source, found in folded.names.items() if found in graph.tensors},
        solution.exact,
        loss.layers(net),
        loss.flipped,
        len(loss.before),
        before,
        after,
        (*folded.net.assumed, *given.said, *solution.assumed),
        (*solution.warnings, *loss.warnings(net)),
    )
