"""Run a graph and take the figures that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.batches import ReportProgress, batches, no_report, sha256_of, tally_all
from edgespike.comparison.figures import Figures, figures_of
from edgespike.energy import Profile, energy_report, load_profiles
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples, never_changes
from edgespike.prepared import prepared
from edgespike.targets import instructions_of, refusals
from edgespike.trace import predictions


def run_figures(
    name: str,
    graph: Graph,
    samples: NDArray[Any],
    labels: NDArray[np.int64] | None = None,
    *,
    target: str = "cpu",
    profiles: Sequence[Profile] | None = None,
    progress: ReportProgress = no_report,
) -> Figures:
    """Run samples on a target, count, estimate the energy, and return the figures.

    Parameters
    ----------
    name
        What messages and tables call the graph.
    graph, samples, target, profiles, progress
        As for :func:`edgespike.estimate_energy`.
    labels
        Class of each sample, ``(samples,)``.

    Raises
    ------
    InputError, UnknownTargetError, UnsupportedError, EnvironmentMissingError, TargetRunError
        As for :func:`edgespike.run`.
    """
    ready = prepared(graph, target)
    tally = tally_all(ready.runner, samples, target, progress)
    answers = None
    if labels is not None:
        answers = predictions(graph, tally.accumulators) == labels
    loaded = load_profiles(profiles)
    targets = {model.target for profile in loaded for model in profile.models} - {""}
    report = energy_report(
        graph,
        ready.counter.counts(tally),
        loaded,
        refusals(graph),
        target=target,
        accuracy=None if answers is None else float(answers.mean()),
        instructions=instructions_of(graph, tally, sorted(targets)),
    )
    figures = figures_of(name, report.to_json())
    return replace(figures, answers=answers, inputs=samples_hash(graph, samples))


def samples_hash(graph: Graph, samples: NDArray[Any]) -> str:
    """Return the SHA-256 of samples as little-endian int64, row-major.

    Samples that are shown unchanged at every step are hashed once, so that graphs of different
    numbers of steps can be compared on them.
    """
    checked = as_samples(graph, samples)
    once = never_changes(checked)
    return sha256_of(batch[:, :1] if once else batch for _, batch in batches(graph, checked))
