"""One point of a sweep, in a worker: train, convert, verify, count."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike import __version__
from edgespike.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgespike.energy import EnergyReport, Estimate, Profile
    from edgespike.graph import Graph
    from edgespike.nn import Recipe, Task
    from edgespike.pools.base import Say
    from edgespike.verification import Certificate

MODEL, GRAPH, LOG, REPORT = (
    "model.safetensors",
    "graph.safetensors",
    "training.jsonl",
    "energy.json",
)
"""Files that a point leaves: the trained net, its graph, the log of its training, and the counts
and energies, as ``edgespike energy --json`` prints them."""

FIGURES = (
    *("point", "accuracy", "samples", "synaptic_operations", "multiply_accumulates"),
    *("operations", "energy_j", "energy_low_j", "energy_high_j", "energy_model", "energy_profile"),
    *("total_synaptic_operations", "total_multiply_accumulates", "train_accuracy"),
    *("verified", "verified_samples", "graph", "inputs", "seconds", "edgespike", "torch"),
)
"""Columns of a point's line of the table of results, beside its settings.

Operations and energies are means of a sample, ``operations`` the sum of both kinds; the totals,
over all samples, are whole numbers. ``graph`` and ``inputs`` are SHA-256.
"""


@dataclass(frozen=True)
class Counting:
    """How each net of a sweep is verified and counted.

    Parameters
    ----------
    verified
        On how many test samples, the first ones, the cpu target is compared with the definition.
    profiles
        Whose models estimate the energy.
    model
        Name of the energy model of the table of results; ``None`` for the one that answers what a
        sample costs.
    """

    verified: int
    profiles: tuple[Profile, ...]
    model: str | None = None


@dataclass(frozen=True)
class Found:
    """What a point gives: its figures, see `FIGURES`, and its files."""

    figures: Mapping[str, Any]
    files: Mapping[str, bytes]


def run_point(
    say: Say,
    identity: str,
    recipe: Recipe,
    source: Mapping[str, Any] | None,
    counting: Counting,
    folder: Path | None,
) -> Found:
    """Train a recipe's net, convert it, verify the graph, and count it on the test samples.

    Parameters
    ----------
    say
        Called with the measurements of each epoch.
    identity
        Of the point.
    recipe, source
        What is trained, and what the data of one's own is, as the sweep read it.
    counting
        See `Counting`.
    folder
        For the training's files, from which it also goes on; ``None`` for a temporary one.

    Raises
    ------
    InputError
        This worker's data, or its teacher, is not that of the sweep.
    EdgespikeError
        As for :func:`edgespike.nn.train`, :func:`edgespike.load`, :func:`edgespike.verify` and
        :func:`edgespike.estimate_energy`.
    """
    import torch

    from edgespike.api import load
    from edgespike.nn import train

    torch.set_num_threads(1)
    began = time.monotonic()
    task = _task(recipe)
    _check_source(task, source)
    _check_teacher(identity, recipe)
    with _folder(folder) as place:
        result = train(
            *(recipe, place),
            task=task if task.source is not None else None,
            resume=True,
            quiet=True,
            on_epoch=say,
        )
        graph = load(result.model)
        files = {MODEL: result.model.read_bytes(), LOG: result.log.read_bytes()}
    limited = task.limited(recipe.limit)
    counted = count_graph(graph, limited.test_images, limited.test_labels, counting)
    figures = {
        "point": identity,
        **counted.figures,
        "train_accuracy": result.history[-1]["train_accuracy"],
        "seconds": round(time.monotonic() - began, 1),
        "edgespike": __version__,
        "torch": str(torch.__version__),
    }
    return Found({name: figures[name] for name in FIGURES}, {**files, **counted.files})


def count_graph(
    graph: Graph, samples: NDArray[Any], labels: NDArray[Any], counting: Counting
) -> Found:
    """Verify a graph on the first samples, and count it on all of them.

    Parameters
    ----------
    samples, labels
        ``(samples, *shape)`` as :func:`edgespike.run` takes them, and the class of each.

    Returns
    -------
    found
        The figures of `FIGURES` that follow from the graph and the samples, `GRAPH` and `REPORT`.

    Raises
    ------
    EdgespikeError
        As for :func:`edgespike.verify` and :func:`edgespike.estimate_energy`.
    """
    from edgespike.api import estimate_energy, verify
    from edgespike.comparison import samples_hash
    from edgespike.graph.files import graph_bytes

    certificate = verify(graph, samples[: counting.verified], ["cpu"])
    report = estimate_energy(graph, samples, "cpu", counting.profiles, labels)
    answer = {**report.to_json(), "inputs": samples_hash(graph, samples)}
    figures = {
        **_figures(report, counting.model),
        **_verified(graph, certificate),
        "inputs": answer["inputs"],
    }
    files = {GRAPH: graph_bytes(graph), REPORT: (json.dumps(answer, indent=2) + "\n").encode()}
    return Found(figures, files)


@contextlib.contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="edgespike-sweep-") as name:
        yield Path(name)


def _task(recipe: Recipe) -> Task:
    from edgespike.nn import RecurrentSpec

    net = recipe.net
    return _read_task(recipe.data, net.input_shape, net.classes, isinstance(net, RecurrentSpec))


@lru_cache(maxsize=1)
def _read_task(data: Any, input_shape: tuple[int, ...], classes: int, recurrent: bool) -> Task:
    """Read data, once for all points that a worker is given."""
    from edgespike.nn import load_task
    from edgespike.nn.training.own_task import read_own_task

    if isinstance(data, str):
        return load_task(data, input_shape, classes)
    return read_own_task(data, recurrent)


def _check_source(task: Task, source: Mapping[str, Any] | None) -> None:
    here, there = (None if one is None else one.get("sha256") for one in (task.source, source))
    if here != there:
        raise InputError(
            f"the data of this worker has SHA-256 {here}, that of the sweep {there}; give all "
            "workers the same data"
        )


def _check_teacher(point: str, recipe: Recipe) -> None:
    from edgespike.sweep.grid import identity, teacher_of

    if recipe.distillation > 0 and identity(recipe) != point:
        raise InputError(
            f"the teacher {recipe.teacher} of this worker, with SHA-256 {teacher_of(recipe)}, is "
            "not that of the sweep; give all workers the same file"
        )


def energy_row(report: EnergyReport, model: str | None) -> Estimate | None:
    """Return the estimate that the table of results states; ``None`` if the report has none.

    Raises
    ------
    InputError
        No profile has the model.
    """
    if model is None:
        return report.headline
    for row in report.estimates:
        if row.model.name == model:
            return row
    known = ", ".join(row.model.name for row in report.estimates)
    raise InputError(f"no estimate is by model {model}; there are {known or 'none'}")


def _figures(report: EnergyReport, model: str | None) -> dict[str, Any]:
    counts, row = report.counts, energy_row(report, model)
    spikes, graded = counts.synaptic_operations(), counts.multiply_accumulates()
    energy = None if row is None else row.energy / counts.samples
    return {
        "accuracy": report.accuracy,
        "samples": counts.samples,
        "synaptic_operations": spikes / counts.samples,
        "multiply_accumulates": graded / counts.samples,
        "operations": (spikes + graded) / counts.samples,
        "energy_j": None if energy is None else energy.typical,
        "energy_low_j": None if energy is None else energy.low,
        "energy_high_j": None if energy is None else energy.high,
        "energy_model": None if row is None else row.model.name,
        "energy_profile": None if row is None else row.profile.name,
        "total_synaptic_operations": spikes,
        "total_multiply_accumulates": graded,
    }


def _verified(graph: Graph, certificate: Certificate) -> dict[str, Any]:
    return {
        "verified": certificate.equal,
        "verified_samples": certificate.targets["cpu"].samples,
        "graph": graph.hash,
    }
