"""What is compared: graphs in memory, files of models, and saved reports, in any mix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.batches import ReportProgress, no_report
from edgespike.comparison.comparing import Comparison, ComparisonError, compare_figures
from edgespike.comparison.figures import Figures, is_report, read_figures
from edgespike.comparison.running import run_figures
from edgespike.converters import load
from edgespike.energy import load_profile
from edgespike.errors import InputError, shown
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.samples import Inputs, checked_labels, read_inputs, read_labels


def compare_sources(
    models: Sequence[Graph | Path | str],
    samples: NDArray[Any] | Path | str | None,
    labels: NDArray[Any] | Path | str | None,
    *,
    target: str = "cpu",
    model: str | None = None,
    profile: str | Path | None = None,
    limit: int | None = None,
    progress: ReportProgress = no_report,
) -> Comparison:
    """Compare what :func:`edgespike.compare` is given; parameters and errors are its own.

    Everything is read and checked before anything runs.
    """
    profiles = None if profile is None else [load_profile(profile)]
    sources = list(_loaded(models))
    if len(sources) < 2:
        raise InputError(f"{len(sources)} models are given; give at least 2 to compare")
    graphs = [source for _, source in sources if isinstance(source, Graph)]
    if problems := list(_other_inputs(sources)):
        raise ComparisonError("these models cannot be compared on the same samples", problems)
    if graphs and samples is None:
        raise InputError(
            "no samples are given, and only saved reports do without; give the samples that every "
            "model runs on"
        )
    if not graphs and (samples is not None or labels is not None):
        raise InputError(
            "samples or labels are given, but all that is compared are saved reports, which have "
            "run already; leave them out"
        )
    given = [read_for(graph, samples, labels, limit) for graph in graphs]
    runs = iter(given)
    figures = []
    for name, source in sources:
        if isinstance(source, Figures):
            figures.append(source)
            continue
        values, classes = next(runs)
        figures.append(
            run_figures(
                name, source, values, classes, target=target, profiles=profiles, progress=progress
            )
        )
    return compare_figures(figures, model, None if profiles is None else profiles[0].name)


def _loaded(models: Sequence[Graph | Path | str]) -> Iterator[tuple[str, Graph | Figures]]:
    for source in models:
        if isinstance(source, Graph):
            yield source.name, source
        elif not isinstance(source, str | Path):
            raise InputError(
                f"{shown(source)} cannot be compared; give graphs, or paths of models or reports"
            )
        elif is_report(Path(source)):
            yield str(source), read_figures(Path(source))
        else:
            yield str(source), load(source)


def _other_inputs(sources: Sequence[tuple[str, Graph | Figures]]) -> Iterator[str]:
    """Yield which graphs take samples of another shape than the first."""
    graphs = [(name, source) for name, source in sources if isinstance(source, Graph)]
    for name, graph in graphs[1:]:
        first, other = graphs[0][1].input_op.shape, graph.input_op.shape
        if other != first:
            yield (
                f"{name} takes inputs of shape {other}, {graphs[0][0]} of {first}; compare models "
                "of the same input"
            )


def read_for(
    graph: Graph,
    samples: NDArray[Any] | Path | str | None,
    labels: NDArray[Any] | Path | str | None,
    limit: int | None,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return samples for a graph and their labels, the first ``limit`` of both.

    Without ``labels``, they are those that the file of samples has itself, if any.
    """
    classes = graph.readout_op.classes
    if isinstance(samples, str | Path):
        inputs = read_inputs(graph, samples, limit if labels is None else None)
    else:
        inputs = Inputs(as_samples(graph, samples), None)  # type: ignore[arg-type]  # not None
    if labels is None:
        return inputs.samples[:limit], None if inputs.labels is None else inputs.labels[:limit]
    if isinstance(labels, str | Path):
        checked = read_labels(labels, len(inputs.samples), classes)
    else:
        checked = checked_labels("labels", labels, len(inputs.samples), classes)
    return inputs.samples[:limit], checked[:limit]
