"""How far a graph is from the net that it was made from, on samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import FloatNet
from edgespike.floats.run import answers
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.quantise.result import LayerLoss

ALWAYS = 0.5
"""Share of a layer's values at the highest level above which there is a warning."""


@dataclass(frozen=True)
class Comparison:
    """Answers that differ between a net and its graph.

    Parameters
    ----------
    flipped, samples
        How many answers differ, of how many.
    before, after
        Share of right answers of the net and of the graph; ``None`` without labels.
    """

    flipped: int
    samples: int
    before: float | None
    after: float | None


def compared(
    net: FloatNet,
    graph: Graph,
    samples: NDArray[Any],
    labels: NDArray[Any] | None,
    real: NDArray[np.float64],
) -> Comparison:
    """Compare the answers of a net and its graph.

    Parameters
    ----------
    samples
        Whole numbers, as the graph takes them.
    labels
        The class of each.
    real
        The same samples as the net takes them.
    """
    floats = answers(net, real).argmax(axis=1)
    ours = interpret(graph, samples, [graph.readout.name]).classes(graph)
    flipped = int((floats != ours).sum())
    if labels is None:
        return Comparison(flipped, len(samples), None, None)
    right = [float((found == labels).mean()) for found in (floats, ours)]
    return Comparison(flipped, len(samples), *right)


def warning(loss: LayerLoss, fired: int) -> str | None:
    """Return what the user should look at in a layer, if there is anything.

    Parameters
    ----------
    fired
        How many of the layer's values are not at its lowest level.
    """
    if not fired:
        return (
            f"{loss.path} never fires on the samples for calibration, so nothing after it depends "
            "on the input; check that they are scaled as in training"
        )
    if loss.saturated > ALWAYS * loss.values:
        return (
            f"{loss.path}: {loss.saturated / loss.values:.0%} of its values are at the highest "
            "level; use more levels, or samples that are scaled as in training"
        )
    return None
