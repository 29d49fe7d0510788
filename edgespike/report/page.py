"""The energy report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgespike.counting import Audit, Counts
from edgespike.energy import EnergyReport
from edgespike.graph import Graph


def write_page(
    path: Path,
    graph: Graph,
    report: EnergyReport,
    certificate: Mapping[str, Any] | None = None,
    audit: tuple[Audit, Counts] | None = None,
) -> None:
    """Write the report.

    Parameters
    ----------
    path
        Of the HTML file; an existing one is replaced.
    graph
        What the report is about.
    report
        See :func:`edgespike.energy.energy_report`.
    certificate
        Of a verification, as :meth:`edgespike.verification.Certificate.to_json` gives it.
    audit
        A recount, see :func:`edgespike.counting.audit`, and the count of the same samples.

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    WriteError
        The file cannot be written.
    """
    raise NotImplementedError
