"""What notebooks show of reports, certificates and graphs: short tables with folded details.

The views have no colours and no style for other elements, so that they fit any theme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgespike.errors import EnvironmentMissingError
from edgespike.report import against, answer, rows, sure
from edgespike.report.details import node_cells
from edgespike.report.rendering import render
from edgespike.show.text import node_rows
from edgespike.text import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgespike.energy import EnergyReport
    from edgespike.graph import Graph

NODES_SHOWN = 12
"""Most nodes of a graph that are shown at once; all are in the details."""


def report_html(report: EnergyReport) -> str | None:
    """Return a report's answer and its energy by model; ``None`` without the extra ``report``."""
    facts = [answer.energy_of(report), *answer.facts(report, None, None)[:-1]]
    return _rendered(
        "notebook/report.html.jinja",
        report=report,
        samples=rows.samples(report),
        facts=facts,
        models=against.models_table(report),
    )


def certificate_html(certificate: Mapping[str, Any]) -> str | None:
    """Return a certificate's result and targets; ``None`` without the extra ``report``.

    Parameters
    ----------
    certificate
        See :meth:`edgespike.verification.Certificate.to_json`.
    """
    return _rendered(
        "notebook/certificate.html.jinja",
        certificate=certificate,
        result=answer.exactness(certificate),
        verified=sure.verified_table(certificate),
    )


def graph_html(graph: Graph) -> str | None:
    """Return a graph's nodes, the first ones unfolded; ``None`` without the extra ``report``."""
    found = node_rows(graph)
    return _rendered(
        "notebook/graph.html.jinja",
        graph=graph,
        steps=number_of(graph.steps, "step"),
        weights=sum(row.weights for row in found),
        nodes=[node_cells(row) for row in found],
        parameters=[
            (row.name, ", ".join(f"{name} {text}" for name, text in row.parameters.items()))
            for row in found
        ],
        shown=NODES_SHOWN,
    )


def _rendered(template: str, **values: Any) -> str | None:
    try:
        return render(template, **values)
    except EnvironmentMissingError:
        return None
