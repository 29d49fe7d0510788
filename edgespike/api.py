"""The Python interface; :mod:`edgespike` offers all of it under the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.batches import ReportProgress, no_report, trace_all
from edgespike.converters import convert, load
from edgespike.counting import Counts
from edgespike.errors import UnsupportedError, shown
from edgespike.graph import Graph
from edgespike.graph import save_graph as save
from edgespike.graph.inputs import as_samples
from edgespike.passes.ensemble import ensemble
from edgespike.prepared import prepared
from edgespike.samples import checked_labels
from edgespike.sharding import tally_shared
from edgespike.storage.checksums import write_checksums
from edgespike.storage.files import new_folder
from edgespike.targets import (
    get_target,
    instructions_of,
    placement_of,
    prepare,
    refusals,
    runtime_names,
    with_kernels,
)
from edgespike.threads import at_most
from edgespike.trace import Trace
from edgespike.verification import verify

if TYPE_CHECKING:
    from edgespike.comparison import Comparison
    from edgespike.counting import Tally
    from edgespike.energy import EnergyReport, Profile
    from edgespike.prepared import Prepared

__all__ = [
    "compare",
    "convert",
    "count",
    "ensemble",
    "estimate_energy",
    "export",
    "load",
    "prepare",
    "run",
    "save",
    "verify",
]


def export(
    graph: Graph,
    target: str,
    folder: Path | str,
    samples: NDArray[Any] | None = None,
    *,
    kernels: Mapping[str, str] | None = None,
) -> Path:
    """Write a target's artefact for a graph into a new folder, whole or not at all.

    ``SHA256SUMS`` in the folder holds the hash of each of its files.

    Parameters
    ----------
    graph
        The graph.
    target
        Name of the target.
    folder
        A new or empty folder.
    samples
        Samples, as :func:`edgespike.run` takes them, among which those that check the artefact are
        chosen; ``None`` to choose among random ones.
    kernels
        Names of kernels of layers instead of those that the target chooses, by the layers' names;
        only the target c offers a choice.

    Returns
    -------
    folder
        The folder.

    Raises
    ------
    UnknownTargetError
        No target has this name.
    InputError
        The samples do not fit the graph's input.
    UnsupportedError
        The target cannot compute the graph exactly, or samples are given and its artefact has
        none, or kernels are and it has none, or they do not fit; all reasons are listed.
    WriteError
        The folder exists and is not empty, or cannot be written.
    """
    chosen = with_kernels(target, kernels or {})
    chosen.check(graph)
    if samples is not None and chosen.write_with_samples is None:
        raise UnsupportedError(
            f"the artefact of target {target!r} cannot be checked with your samples",
            ["it has no samples; leave them out"],
        )
    with new_folder(Path(folder)) as temporary:
        if samples is None or chosen.write_with_samples is None:
            chosen.write(graph, temporary)
        else:
            chosen.write_with_samples(graph, temporary, samples)
        write_checksums(temporary)
    return Path(folder)


def run(
    graph: Graph, samples: NDArray[Any], target: str = "cpu", *, threads: int | None = None
) -> Trace:
    """Run samples on a target and return the values of every observed layer and step.

    The last few graphs stay prepared for further calls. :func:`edgespike.prepare` leaves that to
    its caller, and its runner can return answers and event counts without keeping values.

    Parameters
    ----------
    graph
        The graph.
    samples
        Integers ``(samples, *shape)``, or ``(samples, steps, *shape)``.
    target
        Name of the target.
    threads
        Maximum number of threads, at least 1; ``None`` for one per core. Only the cpu target uses
        more than one.

    Raises
    ------
    InputError
        The samples do not fit the graph's input, or ``threads`` is not a number of threads.
    UnknownTargetError, UnsupportedError, EnvironmentMissingError, TargetRunError
        The target does not exist, cannot compute the graph, is not installed, or failed.
    """
    with at_most(threads):
        return trace_all(prepared(graph, target).runner, samples)


def count(
    graph: Graph,
    samples: NDArray[Any],
    target: str = "cpu",
    *,
    progress: ReportProgress = no_report,
    threads: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> Counts:
    """Run samples on a target in batches and count what it did.

    Parameters and errors are those of :func:`run`, and of :func:`edgespike.sharding.tally_shared`
    for ``workers`` and ``cluster``; ``progress`` is called before and after each batch.

    Parameters
    ----------
    workers
        Share the samples between so many processes of one thread each; the counts are the same.
    cluster
        Share them between the workers of the Dask scheduler at this address.
    """
    ready = prepared(graph, target)
    with at_most(threads):
        tally = tally_shared(ready, samples, progress, workers=workers, cluster=cluster)
    return ready.counter.counts(tally)


def estimate_energy(
    graph: Graph,
    samples: NDArray[Any],
    target: str = "cpu",
    profiles: Sequence[str | Path | Profile] | None = None,
    labels: NDArray[Any] | None = None,
    *,
    progress: ReportProgress = no_report,
    threads: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> EnergyReport:
    """Run samples on a target, count what it did, and estimate the energy from the counts.

    Parameters
    ----------
    graph, samples, target, progress, threads, workers, cluster
        As for :func:`count`.
    profiles
        Names of shipped profiles, "all" for all of them, paths of profile files, or loaded
        profiles; ``None`` for :func:`edgespike.energy.default_profiles`. Files are read before
        anything runs.
    labels
        The class of each sample, integers ``(samples,)``, for the report's accuracy; ``None`` for a
        report without one.

    Raises
    ------
    InputError
        The samples do not fit the graph's input, or the labels do not fit the samples.
    InputError, FileFormatError, ProfileError
        A profile cannot be read or is not valid.
    UnknownTargetError, UnsupportedError, EnvironmentMissingError, TargetRunError
        As for :func:`run`.
    """
    loaded = usable_profiles(profiles)
    if labels is not None:
        count = len(as_samples(graph, samples))
        labels = checked_labels("labels", labels, count, graph.readout_op.classes)
    ready = prepared(graph, target)
    with at_most(threads):
        tally = tally_shared(ready, samples, progress, workers=workers, cluster=cluster)
    return report_tally(ready, tally, target, loaded, labels)


def usable_profiles(
    profiles: Sequence[str | Path | Profile] | None = None,
) -> tuple[Profile, ...]:
    """Load profiles as :func:`edgespike.energy.load_profiles` does, before anything runs.

    Raises
    ------
    InputError, FileFormatError, ProfileError
        A profile cannot be read or is not valid.
    ProfileError
        Models speak of targets that do not exist; all are listed.
    """
    from edgespike.energy import ProfileError, load_profiles

    loaded, known = load_profiles(profiles), runtime_names()
    unknown = [
        f"{profile.name}: model {model.name} speaks of target {shown(model.target)}, which does "
        f"not exist; choose from {', '.join(known)}, or leave target out"
        for profile in loaded
        for model in profile.models
        if model.target and model.target not in known
    ]
    if unknown:
        raise ProfileError("energy profiles cannot be used", unknown)
    return loaded


def report_tally(
    ready: Prepared,
    tally: Tally,
    target: str = "cpu",
    profiles: Sequence[str | Path | Profile] | None = None,
    labels: NDArray[Any] | None = None,
) -> EnergyReport:
    """Estimate the energy of a run that was tallied, as :func:`estimate_energy` does.

    Parameters
    ----------
    ready
        The graph as it was prepared.
    tally
        Of all samples.
    target
        Name of the runtime that ran them.
    profiles, labels
        As for :func:`estimate_energy`; there must be a label for each sample.
    """
    from edgespike.energy import busiest_core, energy_report
    from edgespike.trace import predictions

    graph, loaded = ready.graph, usable_profiles(profiles)
    of_models = [model.target for profile in loaded for model in profile.models if model.target]
    counts = ready.counter.counts(tally)
    accuracy = None
    if labels is not None:
        right = predictions(graph, tally.accumulators) == np.asarray(labels)
        accuracy = float(right.mean())
    place = placement_of(graph, dict.fromkeys([target, *of_models]))
    cores = None if place is None else busiest_core(graph, counts, tally.events, place)
    return energy_report(
        graph,
        counts,
        loaded,
        refusals(graph),
        target=get_target(target).name,
        accuracy=accuracy,
        cores=cores,
        instructions=instructions_of(graph, tally, list(dict.fromkeys(of_models))),
    )


def compare(
    models: Sequence[Graph | Path | str],
    samples: NDArray[Any] | Path | str | None = None,
    labels: NDArray[Any] | Path | str | None = None,
    *,
    target: str = "cpu",
    model: str | None = None,
    profile: str | Path | None = None,
    limit: int | None = None,
    progress: ReportProgress = no_report,
) -> Comparison:
    """Compare models on the same samples: accuracy, operations, energy and size.

    Parameters
    ----------
    models
        At least two graphs, or paths: of graph files, of checkpoints, or of reports that
        ``edgespike energy --json`` wrote. The first is what the others are compared with.
    samples
        As :func:`run` takes them, or the path of a file of samples; needed unless all are reports.
    labels
        Class of each sample, ``(samples,)`` integers, or a file of them; ``None`` to leave the
        accuracy out.
    target
        Name of the target that runs the graphs.
    model, profile
        Name of the energy model, and name or path of the profile, by which all are compared;
        ``None`` to choose what answers best what a sample costs.
    limit
        Use only the first samples, at most this many; ``None`` for all.
    progress
        As for :func:`count`.

    Raises
    ------
    ComparisonError
        The models take other inputs, or the figures are of other samples, energy models or
        conventions.
    InputError, FileFormatError
        Fewer than two models are given, a file cannot be read, or samples or labels do not fit.
    UnknownTargetError, UnsupportedError, EnvironmentMissingError, TargetRunError
        As for :func:`run`.
    """
    from edgespike.comparison.sources import compare_sources

    return compare_sources(
        models,
        samples,
        labels,
        target=target,
        model=model,
        profile=profile,
        limit=limit,
        progress=progress,
    )
