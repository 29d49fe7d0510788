"""The energy report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike import __version__
from edgespike.counting import Audit, Counts
from edgespike.energy import EnergyReport
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.report import against, answer, classes, details, rows, sure, where
from edgespike.report.rendering import render
from edgespike.storage.files import write_atomically


def write_page(
    path: Path | str,
    graph: Graph,
    report: EnergyReport,
    certificate: Mapping[str, Any] | None = None,
    audit: tuple[Audit, Counts] | None = None,
    confusion: NDArray[Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Write the report as one HTML file. The same report gives the same bytes.

    Parameters
    ----------
    path
        The HTML file; an existing one is replaced.
    graph
        The graph that ran.
    report
        See :func:`edgespike.energy.energy_report`.
    certificate
        The result of a verification, see :meth:`edgespike.verification.Certificate.to_json`.
    audit
        A recount, see :func:`edgespike.counting.audit`, and the counts of the same samples.
    confusion
        How many of the report's samples of each class (row) were taken for each class (column),
        see :func:`edgespike.trace.confusion_matrix`; ``None`` without labels.
    class_names
        A name for each class; ``None`` for the graph's own.

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    InputError
        The report or the certificate belongs to another graph, or the matrix or the names do not
        fit.
    WriteError
        The file cannot be written.
    """
    names = graph.class_names if class_names is None else tuple(class_names)
    _check_graph("report", report.graph_hash, graph)
    if certificate is not None:
        _check_graph("certificate", certificate["graph"], graph)
    classes.check(graph, report, confusion, names)
    page = render(
        "page.html.jinja",
        version=__version__,
        report=report,
        samples=rows.samples(report),
        energy=answer.energy_of(report),
        facts=answer.facts(report, certificate, audit),
        where=where.values(report),
        against=against.values(report),
        classes=classes.values(confusion, names),
        sure=sure.values(report, certificate),
        details=details.values(graph, report, audit),
    )
    write_atomically(Path(path), page.encode("utf-8"))


def _check_graph(what: str, found: str, graph: Graph) -> None:
    if found != graph.hash:
        raise InputError(
            f"the {what} belongs to graph {found}, not to {graph.name!r}, which is {graph.hash}; "
            "make it again from this graph"
        )
