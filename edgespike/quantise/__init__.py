"""From a net in real numbers to an integer graph, exactly where its numbers allow that.

A net with spiking neurons keeps its neurons, with integer weights, thresholds and leaks
(:mod:`edgespike.quantise.spikes`); any other net becomes one whose activations have a few levels
(:mod:`edgespike.quantise.levels`). Both say in their docstrings which steps a net goes through.

What both use stands beside them: ``inputs`` (samples as whole numbers), ``rounding`` and
``layer_rounding`` (whole weights), ``lines`` (what whole numbers stand for), ``dyadic`` (what
float64 does not round) and ``result`` (the graph, and how it differs from the net).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.floats.net import FloatNet, FloatNeurons

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions
    from edgespike.quantise.result import Quantised


def quantise(net: FloatNet, options: ConvertOptions, name: str) -> Quantised:
    """Turn a net in real numbers into a graph, and say what that changed.

    Raises
    ------
    UnsupportedError
        Lists everything that has no integer form, and samples for calibration that do not fit.
    """
    if any(net.of_type(FloatNeurons)):
        from edgespike.quantise.spikes.quantising import quantise_spikes

        return quantise_spikes(net, options, name)
    from edgespike.quantise.levels.quantising import quantise_levels

    return quantise_levels(net, options, name)
