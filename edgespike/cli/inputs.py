"""Samples of ``--input`` with the labels that belong to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.graph import Graph
    from edgespike.samples import Inputs


def inputs_with_labels(
    graph: Graph, input_file: Path, labels_file: Path | None, limit: int | None
) -> Inputs:
    """Read samples and their labels: those of ``--labels``, else those that the input has itself.

    Parameters
    ----------
    graph
        The graph that they are for.
    input_file, labels_file
        See :func:`edgespike.samples.read_inputs` and :func:`edgespike.samples.read_labels`. There
        must be a label for each sample of the input, however many are used.
    limit
        How many are used, the first ones; ``None`` for all.
    """
    from edgespike.samples import Inputs, read_inputs, read_labels

    if labels_file is None:
        return read_inputs(graph, input_file, limit)
    samples = read_inputs(graph, input_file).samples
    labels = read_labels(labels_file, len(samples), graph.readout_op.classes)
    return Inputs(samples[:limit], labels[:limit])


def confusion_of(
    graph: Graph, accumulators: NDArray[np.int64], labels: NDArray[np.int64] | None
) -> NDArray[np.int64] | None:
    """Return how often a run took each class for each other; ``None`` without labels."""
    from edgespike.trace import confusion_matrix, predictions

    if labels is None:
        return None
    return confusion_matrix(labels, predictions(graph, accumulators), graph.readout_op.classes)
