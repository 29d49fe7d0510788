"""The values of a graph's run, whichever target ran it, and what follows from its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph


def observed_names(graph: Graph) -> list[str]:
    """Name the nodes whose outputs every target must show, in the order in which they run.

    These are the readout and all nodes at which events arise, except the input. The rest
    (accumulators, sums, reshapes) follows from them.
    """
    after_input = graph.nodes[1:]
    return [node.name for node in after_input if node.op.emits_events or node is graph.readout]


@dataclass(frozen=True)
class Trace:
    """The observed values of one run.

    Parameters
    ----------
    values
        Integers ``(samples, steps, *shape)`` for each observed node, channels first. The
        readout's value at a step is its accumulator after that step.
    """

    values: Mapping[str, NDArray[Any]]

    def accumulators(self, graph: Graph) -> NDArray[np.int64]:
        """Return the readout after the last step, ``(samples, classes)``."""
        return np.asarray(self.values[graph.readout.name][:, -1], dtype=np.int64)

    def classes(self, graph: Graph) -> NDArray[np.int64]:
        """Return the class of each sample, ``(samples,)``, as :func:`predictions` does."""
        return predictions(graph, self.accumulators(graph))


def logits(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scale accumulators ``(samples, members * classes)`` to real numbers of the same shape."""
    with np.errstate(over="ignore"):  # a huge scale makes them infinite
        return np.asarray(accumulators * graph.readout_op.scale)


def member_logits(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the logits of each member of an ensemble, ``(samples, members, classes)``."""
    op = graph.readout_op
    return logits(graph, accumulators).reshape(-1, op.members, op.classes)


def log_probabilities(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the logarithm of each class's mean probability over members, ``(samples, classes)``.

    A member's probabilities are the softmax of its logits. Everything is computed in logarithms:
    a probability that is too small for a float does not become 0.
    """
    each = _log_softmax(member_logits(graph, accumulators))
    return np.asarray(np.logaddexp.reduce(each, axis=1) - np.log(graph.readout_op.members))


def predictions(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class of the largest mean probability of each sample; the first of equal ones.

    For a single member, that is the class of the largest logit.
    """
    if graph.readout_op.members == 1:
        return np.asarray(np.argmax(logits(graph, accumulators), axis=1))
    return np.asarray(np.argmax(log_probabilities(graph, accumulators), axis=1))


def confusion_matrix(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Count how often samples of each class were given each class.

    Parameters
    ----------
    labels, predicted
        The true and the predicted class of each sample, ``(samples,)``, ``0..classes - 1``.
    classes
        How many there are.

    Returns
    -------
    matrix
        ``(classes, classes)``: a row for each label, a column for each prediction.
    """
    pairs = np.asarray(labels) * classes + predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def most_confused(matrix: NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Return the pairs of a label and another class that a confusion matrix counts most often.

    At most ``most`` pairs, the most frequent first, then in the order of the matrix; none that
    never occurred.
    """
    wrong = matrix - np.diag(np.diag(matrix))
    places = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(matrix)) for place in places]
    return [pair for pair in pairs if wrong[pair]]


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of an ensemble's predictions in nats, each ``(samples,)``.

    Parameters
    ----------
    entropy
        The entropy of the mean probability: the total uncertainty.
    expected_entropy
        The mean of the members' entropies: what each member finds uncertain (aleatoric).
    """

    entropy: NDArray[np.float64]
    expected_entropy: NDArray[np.float64]

    @property
    def mutual_information(self) -> NDArray[np.float64]:
        """How much the members disagree (epistemic): entropy minus expected entropy.

        It is the mutual information between class and member, 0 to the logarithm of the number of
        members.
        """
        return np.maximum(self.entropy - self.expected_entropy, 0.0)


def uncertainty(graph: Graph, accumulators: NDArray[np.int64]) -> Uncertainty:
    """Split the predictive entropy of accumulators ``(samples, members * classes)``.

    Source: Depeweg et al., "Decomposition of Uncertainty in Bayesian Deep Learning", 2018,
    equation 1: entropy = expected entropy + mutual information.
    """
    each = _log_softmax(member_logits(graph, accumulators))
    return Uncertainty(
        _entropy(log_probabilities(graph, accumulators)), _entropy(each).mean(axis=1)
    )


_LARGEST_LOGIT = 1e300
"""Logits are clipped here: the difference of any two is finite."""


def _log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    cut = np.clip(values, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    below = cut - cut.max(axis=-1, keepdims=True)
    return np.asarray(below - np.logaddexp.reduce(below, axis=-1, keepdims=True))


def _entropy(log_probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy over the last axis."""
    return np.asarray(-(np.exp(log_probability) * log_probability).sum(axis=-1))
