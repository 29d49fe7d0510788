"""The energy report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from edgespike import __version__
from edgespike.counting import Audit, Convention, Counts
from edgespike.energy import EnergyReport, Estimate, Profile
from edgespike.errors import InputError
from edgespike.extras import needs_extra
from edgespike.graph import Graph
from edgespike.graph.size import SIZE_COLUMNS
from edgespike.report import charts, rows
from edgespike.report.units import joules, joules_range, share, whole
from edgespike.show.text import NodeRow, node_rows
from edgespike.storage.files import write_atomically


def write_page(
    path: Path | str,
    graph: Graph,
    report: EnergyReport,
    certificate: Mapping[str, Any] | None = None,
    audit: tuple[Audit, Counts] | None = None,
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

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    InputError
        The report or the certificate belongs to another graph.
    WriteError
        The file cannot be written.
    """
    with needs_extra("report", "the HTML report"):
        from jinja2 import Environment, StrictUndefined
    _check_graph("report", report.graph_hash, graph)
    if certificate is not None:
        _check_graph("certificate", certificate["graph"], graph)
    source = resources.files("edgespike.report") / "page.html.jinja"
    # Everything is escaped: names may come from an untrusted file.
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(source.read_text(encoding="utf-8"))
    page = template.render(_values(graph, report, certificate, audit))
    write_atomically(Path(path), page.encode("utf-8"))


def _check_graph(what: str, found: str, graph: Graph) -> None:
    if found != graph.hash:
        raise InputError(
            f"the {what} belongs to graph {found}, not to {graph.name!r}, which is {graph.hash}; "
            "make it again from this graph"
        )


def _values(
    graph: Graph,
    report: EnergyReport,
    certificate: Mapping[str, Any] | None,
    audit: tuple[Audit, Counts] | None,
) -> dict[str, Any]:
    from markupsafe import Markup

    total = rows.count_row(report.counts.total)
    return {
        "report": report,
        "version": __version__,
        "samples": rows.samples(report),
        "facts": _facts(graph, report),
        "columns": list(rows.COUNT_COLUMNS),
        "layers": [(name, *map(whole, cells)) for name, cells in rows.count_rows(report.counts)],
        "total": ("total", *map(whole, total)),
        "conventions": [(text, whole(n)) for text, n in rows.by_convention(report.counts)],
        "convention_names": rows.CONVENTIONS,
        "what_is_counted": rows.WHAT_IS_COUNTED,
        "free": report.free,
        "silent_sentence": rows.silent_sentence(report),
        "estimates": report.estimates,
        "energies": [_energy_row(row, report.counts.samples) for row in report.estimates],
        "constants": _constant_rows,
        "sources": _sources,
        "nodes": [_node_cells(row) for row in node_rows(graph)],
        "size_columns": list(SIZE_COLUMNS),
        "sizes": [(row.name, *row.cells()) for row in report.size.layers],
        "size_total": ("total", *report.size.total.cells()),
        "certificate": certificate,
        "equal": certificate and all(row["equal"] for row in certificate["targets"].values()),
        "verified": _verified_rows(certificate) if certificate else [],
        "audit": _audit_values(*audit) if audit else None,
        "layers_chart": Markup(charts.layers_chart(report)),
        "steps_chart": Markup(charts.steps_chart(report)) if report.steps > 1 else None,
        "energy_chart": Markup(charts.energy_chart(report) or ""),
        "left_out": rows.left_out,
        "target_sentence": rows.target_sentence,
        "nothing_charged": rows.nothing_charged,
        "joules": joules,
        "joules_range": joules_range,
        "whole": whole,
    }


def _facts(graph: Graph, report: EnergyReport) -> list[tuple[str, str]]:
    samples = report.counts.samples
    means = zip(rows.COUNT_COLUMNS, rows.count_row(report.counts.total), strict=True)
    per_sample = [(f"{name} per sample", f"{n / samples:,.0f}") for name, n in means if n]
    weights = report.size.total
    return [
        ("samples", whole(samples)),
        ("steps per sample", whole(graph.steps)),
        ("weights", whole(weights.weights)),
        ("non-zero weights", whole(weights.weights - weights.zeros)),
        *per_sample,
    ]


def _energy_row(estimate: Estimate, samples: int) -> list[str]:
    mean = estimate.energy / samples
    mark = rows.target_mark(estimate)
    return [
        f"{estimate.model.name} ({mark})" if mark else estimate.model.name,
        joules(mean.typical),
        joules_range(mean),
        estimate.profile.name,
        estimate.grade.value,
        share(estimate.memory_share),
        ", ".join(rows.dense_baselines(estimate, samples)) or "–",
        joules(estimate.energy.typical),
    ]


def _sources(profile: Profile) -> list[str]:
    """Return the sources of a profile's constants, each once."""
    return list(dict.fromkeys(f"{row.source} ({row.year})" for row in profile.constants.values()))


def _constant_rows(profile: Profile) -> list[list[str]]:
    sources = _sources(profile)
    return [
        [
            row.name,
            f"{row.value} {row.unit}",
            f"{row.low} to {row.high} {row.unit}",
            row.grade.value,
            str(sources.index(f"{row.source} ({row.year})") + 1),
            row.note,
        ]
        for row in profile.constants.values()
    ]


def _node_cells(row: NodeRow) -> list[str]:
    return [
        row.name,
        row.kind,
        ", ".join(row.inputs) or "–",
        " x ".join(map(str, row.shape)),
        f"{row.low:,} .. {row.high:,}",
        whole(row.weights) if row.weights else "–",
        whole(row.nonzero_weights) if row.weights else "–",
    ]


def _verified_rows(certificate: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            name,
            "equal" if result["equal"] else "different",
            result["runtime"],
            *(whole(result[key]) for key in ("samples", "steps", "layers")),
            *(whole(result[key]) for key in ("synaptic_operations", "multiply_accumulates")),
            _difference(result["first_difference"]),
        ]
        for name, result in certificate["targets"].items()
    ]


def _difference(first: Mapping[str, Any] | None) -> str:
    if first is None:
        return "none"
    return "{layer}, sample {sample}, step {step}, neuron {neuron}".format(**first)


def _audit_values(audit: Audit, counts: Counts) -> dict[str, Any]:
    pairs = {
        kind: (
            counts.synaptic_operations(kind),
            audit.synaptic_operations[kind],
            counts.multiply_accumulates(kind),
            audit.multiply_accumulates[kind],
        )
        for kind in Convention
    }
    return {
        "samples": whole(audit.samples),
        "equal": audit.agrees(counts),
        "rows": [(rows.CONVENTIONS[kind], *map(whole, row)) for kind, row in pairs.items()],
    }
