"""What a run leaves beside its net: results as numbers and pictures, and its test samples.

``results.json`` holds the accuracy on the test samples, the confusion matrix (a row for each class
that samples have, a column for each that the net gave) and the firing rate of each layer: the share
of its neurons that send an event in a step. ``curves.png``, ``confusion.png`` and ``firing.png``
show them. With data of one's own, ``test.npy`` and ``test_labels.npy`` are the first test samples
as the graph takes them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgespike.data import DATA_SETS
from edgespike.errors import EnvironmentMissingError, named
from edgespike.extras import needs_extra
from edgespike.nn.layers.activation import EventActivation
from edgespike.nn.training.run_folder import Log, RunFolder
from edgespike.nn.training.task import Task
from edgespike.nn.training.trainer import Trainer
from edgespike.storage.files import write_atomically
from edgespike.trace import confusion_matrix, most_confused

MOST_BYTES = 1 << 26
"""Most bytes of ``test.npy``."""


@dataclass(frozen=True)
class Results:
    """How the trained net does on the test samples, and the files that say so.

    Parameters
    ----------
    class_names
        Names of the classes, or their numbers.
    confusion
        int64, (classes, classes): samples of the row's class to which the net gave the column's.
    firing
        For each layer with events, its name and the share of its neurons that send one in a step.
    files
        Names of the files in the run's folder.
    remark
        Why there are no pictures; empty if there are.
    """

    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    firing: tuple[tuple[str, float], ...]
    files: tuple[str, ...]
    remark: str = ""

    @property
    def accuracy(self) -> float:
        """The share of correct answers."""
        return float(self.confusion.trace() / self.confusion.sum())

    def worst(self, count: int) -> Iterator[str]:
        """Yield a sentence for each of the most frequent confusions."""
        for true, given in most_confused(self.confusion, count):
            yield (
                f"{named(self.class_names[true])} taken for {named(self.class_names[given])}: "
                f"{self.confusion[true, given]:,} of {self.confusion[true].sum():,}"
            )


def write_results(folder: RunFolder, trainer: Trainer, task: Task, log: Log) -> Results:
    """Run the trained net on the test samples, and write results into the run's folder.

    Raises
    ------
    WriteError
        A file cannot be written.
    """
    net = trainer.recipe.net
    with _counting(trainer.result) as counts:
        given = torch.cat(list(trainer.answers("test"))).numpy()
    names = task.class_names or _known_names(trainer.recipe.data, net.classes)
    confusion = confusion_matrix(task.test_labels, given, net.classes)
    firing = tuple((name, fired / total) for name, (fired, total) in counts.items())
    files = ["results.json"]
    if task.source is not None:
        files += _write_samples(folder.path, task)
    pictures, remark = _write_pictures(folder.path, names, confusion, firing, log)
    results = Results(names, confusion, firing, (*files, *pictures), remark)
    _write_json(folder.path / "results.json", results)
    return results


def _known_names(data: object, classes: int) -> tuple[str, ...]:
    known = DATA_SETS.get(data) if isinstance(data, str) else None
    if known is not None and len(known.CLASSES) == classes:
        return known.CLASSES
    return tuple(map(str, range(classes)))


@contextmanager
def _counting(model: nn.Module) -> Iterator[dict[str, list[int]]]:
    """Count, for each activation of one net, the events it sends and those that it could send."""
    counts: dict[str, list[int]] = {}
    handles = []

    def counter(name: str, activation: EventActivation) -> Any:
        def count(_module: nn.Module, _inputs: object, values: Tensor) -> None:
            sent = (values / activation.scale + activation.event_zero).round() != 0
            entry = counts.setdefault(name, [0, 0])
            entry[0] += int(sent.sum())
            entry[1] += sent.numel()

        return count

    if isinstance(model, nn.Sequential):  # a mixture of nets has no firing rate of its own
        activations = [
            (path, module)
            for path, module in model.named_modules()
            if isinstance(module, EventActivation)
        ]
        for number, (path, module) in enumerate(activations, 1):
            words = [w for w in path.split(".") if not w.isdigit() and w != "activation"]
            name = " ".join((f"layer {number}", *words))
            handles.append(module.register_forward_hook(counter(name, module)))
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _write_samples(folder: Path, task: Task) -> Iterator[str]:
    count = min(len(task.test_images), max(1, MOST_BYTES // max(1, task.test_images[0].nbytes)))
    for name, array in (("test.npy", task.test_images), ("test_labels.npy", task.test_labels)):
        content = io.BytesIO()
        np.save(content, array[:count])
        write_atomically(folder / name, content.getvalue())
        yield name


def _write_pictures(
    folder: Path,
    names: tuple[str, ...],
    confusion: NDArray[np.int64],
    firing: tuple[tuple[str, float], ...],
    log: Log,
) -> tuple[list[str], str]:
    try:
        with needs_extra("report", "pictures of the results"):
            from edgespike.nn.training import pictures
    except EnvironmentMissingError as error:
        return [], f"no pictures were drawn: {error}"
    drawn = {
        "curves.png": pictures.curves(log.epochs),
        "confusion.png": pictures.confusion(confusion, names),
    }
    if firing:
        drawn["firing.png"] = pictures.firing(firing)
    for name, content in drawn.items():
        write_atomically(folder / name, content)
    return list(drawn), ""


def _write_json(path: Path, results: Results) -> None:
    table = {
        "samples": int(results.confusion.sum()),
        "accuracy": results.accuracy,
        "class_names": results.class_names,
        "confusion": results.confusion.tolist(),
        "firing": [{"layer": name, "rate": rate} for name, rate in results.firing],
    }
    write_atomically(path, (json.dumps(table) + "\n").encode())
