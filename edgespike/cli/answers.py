"""What ``edgespike run`` says of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgespike.cli.confusion import confusions, matrix_lines, numbered, some_names
from edgespike.cli.output import print_sentence, print_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.graph import Graph


@dataclass(frozen=True)
class Answers:
    """What a run says of its samples.

    Parameters
    ----------
    predicted
        The class of each sample.
    labels
        The true ones, if they are known.
    names
        Of the classes; empty if they have none.
    matrix
        How often each class was given to samples of each label, if labels are known.
    values
        The answers where there is a single output; else ``None``.
    beliefs
        What an ensemble says beyond the class, by name.
    """

    predicted: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    names: tuple[str, ...]
    matrix: NDArray[np.int64] | None
    values: NDArray[np.float64] | None
    beliefs: dict[str, NDArray[np.float64]]

    @staticmethod
    def of(
        graph: Graph, accumulators: NDArray[np.int64], labels: NDArray[np.int64] | None
    ) -> Answers:
        """Return what the accumulators of a run say, ``(samples, members * classes)``."""
        from edgespike.trace import confusion_matrix, predictions

        predicted, classes = predictions(graph, accumulators), graph.readout_op.classes
        return Answers(
            predicted,
            labels,
            graph.class_names,
            None if labels is None else confusion_matrix(labels, predicted, classes),
            _single_values(graph, accumulators),
            _beliefs(graph, accumulators),
        )

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, if labels are known."""
        return None if self.labels is None else float((self.predicted == self.labels).mean())

    def as_json(self) -> dict[str, Any]:
        """Return names, labels, confusions, beliefs and single values as JSON holds them."""
        answer = {
            "class_names": list(self.names),
            "labels": None if self.labels is None else self.labels.tolist(),
            "confusion": None if self.matrix is None else self.matrix.tolist(),
            **{name: values.tolist() for name, values in self.beliefs.items()},
        }
        return answer if self.values is None else {**answer, "values": self.values.tolist()}


def print_answers(found: Answers, silent: Sequence[str], shown: int, confusion: bool) -> None:
    """Print the answer first: the accuracy, then what is wrong, then samples."""
    if found.accuracy is not None and found.matrix is not None:
        marked = "; * marks the wrong ones" if found.accuracy < 1 and shown else ""
        print(f"accuracy {found.accuracy:.2%} of {len(found.predicted)} samples{marked}")
    if silent:
        print_sentence(f"silent layers, without a single event: {some_names(silent)}")
    if found.matrix is not None and not confusion:
        if lines := list(confusions(found.matrix, found.names)):
            print("most often confused, label -> class, with the share of the label's samples:")
            print(*lines, sep="\n")
    elif found.matrix is not None:
        from edgespike.console import make_console

        print(*matrix_lines(found.matrix, found.names, make_console().width), sep="\n")
    if shown:
        _print_samples(found, shown)


def _print_samples(found: Answers, most: int) -> None:
    """Print the first samples, one per line, and mark those whose class is not their label."""
    columns: dict[str, Sequence[object]]
    if found.values is not None:
        columns = {"value ": [f"{value:.6g}" for value in found.values[:most]]}
    elif found.names:
        columns = {"class": [numbered(number, found.names) for number in found.predicted[:most]]}
    else:
        columns = {"class ": found.predicted[:most].tolist()}
    if found.labels is not None:
        columns["label"] = [
            numbered(label, found.names) + ("" if label == given else " *")
            for label, given in zip(found.labels[:most], found.predicted[:most], strict=True)
        ]
    columns |= _belief_columns(found.beliefs, most)
    shown = min(most, len(found.predicted))
    print_table(["sample ", *columns], zip(range(shown), *columns.values(), strict=True))
    if shown < len(found.predicted):
        print(
            f"and {len(found.predicted) - shown:,} more samples; --all prints them, --json and "
            "--out hold all"
        )


def _single_values(graph: Graph, accumulators: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the answers, ``(samples,)``, where a class would say nothing: there is only one."""
    from edgespike.trace import logits

    op = graph.readout_op
    return logits(graph, accumulators)[:, 0] if op.classes == op.members == 1 else None


def _beliefs(graph: Graph, accumulators: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return what an ensemble says beyond the class; nothing for a single model."""
    import numpy as np

    from edgespike.trace import log_probabilities, uncertainty

    if graph.readout_op.members == 1:
        return {}
    found = uncertainty(graph, accumulators)
    return {
        "probabilities": np.exp(log_probabilities(graph, accumulators)),
        "entropy": found.entropy,
        "expected_entropy": found.expected_entropy,
        "mutual_information": found.mutual_information,
    }


def _belief_columns(
    beliefs: dict[str, NDArray[np.float64]], most: int
) -> dict[str, Sequence[object]]:
    if not beliefs:
        return {}
    largest = {"probability": beliefs["probabilities"].max(axis=1)}
    entropies = {
        name.replace("_", " "): values for name, values in beliefs.items() if values.ndim == 1
    }
    return {
        f"{name} ": [f"{value:.4f}" for value in values[:most]]
        for name, values in {**largest, **entropies}.items()
    }
