"""Details: models and constants, counts by convention, the recount, cores, nodes and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgespike.counting import Audit, Convention, Counts
from edgespike.energy import EnergyReport, Estimate, Profile
from edgespike.graph import Graph
from edgespike.graph.size import SIZE_COLUMNS
from edgespike.report import rows
from edgespike.report.sure import Source, source_of, sources
from edgespike.report.tables import Link, Table
from edgespike.report.units import whole
from edgespike.show.text import NodeRow, node_rows
from edgespike.text import number_of


def values(
    graph: Graph, report: EnergyReport, audit: tuple[Audit, Counts] | None
) -> dict[str, Any]:
    """Return what the template of this part shows."""
    return {
        "model_notes": [(rows.model_name(row), _notes(row)) for row in report.estimates],
        "what_is_counted": rows.WHAT_IS_COUNTED,
        "free": report.free,
        "conventions": _conventions(report.counts),
        "totals": _totals(report),
        "audit": audit is not None,
        "audit_equal": audit is not None and audit[0].agrees(audit[1]),
        "audit_samples": number_of(audit[0].samples, "sample") if audit else "",
        "audit_table": _audit(*audit) if audit else None,
        "cores": report.cores,
        "cores_factor": _factor(report),
        "nodes": _nodes(graph),
        "size_sentence": report.size.sentence,
        "sizes": Table(
            "weights-table",
            "Weights of each layer in the graph file; entropy in bits per weight, bound in bytes",
            ("layer", *SIZE_COLUMNS),
            [(row.name, *row.cells()) for row in report.size.layers],
            ("total", *report.size.total.cells()),
        ),
        "constants": _constants(report),
    }


def _notes(row: Estimate) -> list[str]:
    notes = [
        row.model.formula,
        f"Synapses: {rows.CONVENTIONS[row.model.convention]}. {row.model.caveat}",
        rows.nothing_charged(row),
        rows.target_sentence(row),
        f"Not charged: {rows.left_out(row)}." if row.left_out else "",
    ]
    return [note for note in notes if note]


def _conventions(counts: Counts) -> Table:
    found = [(name, whole(number)) for name, number in rows.by_convention(counts)]
    heads = ("synapses that count", "synaptic operations")
    return Table("conventions-table", "Synaptic operations by convention", heads, found)


def _totals(report: EnergyReport) -> Table:
    return Table(
        "totals-table",
        f"Exact counts of each layer over {rows.samples(report)}, on non-zero quantised weights",
        ("layer", *rows.COUNT_COLUMNS),
        [(name, *map(whole, numbers)) for name, numbers in rows.count_rows(report.counts)],
        ("total", *map(whole, rows.count_row(report.counts.total))),
    )


def _audit(audit: Audit, counts: Counts) -> Table:
    found = [
        [
            rows.CONVENTIONS[kind],
            whole(counts.synaptic_operations(kind)),
            whole(audit.synaptic_operations[kind]),
            whole(counts.multiply_accumulates(kind)),
            whole(audit.multiply_accumulates[kind]),
        ]
        for kind in Convention
    ]
    heads = (
        "synapses that count",
        "synaptic operations counted",
        "recounted",
        "multiply-accumulates counted",
        "recounted",
    )
    return Table("audit-table", "Count and recount", heads, found)


def _factor(report: EnergyReport) -> float:
    """Return how many times as busy as a mean core the busiest is; 0 if that is not known."""
    cores = report.cores
    return cores.synaptic_operations / cores.mean if cores and cores.mean else 0.0


def _nodes(graph: Graph) -> Table:
    return Table(
        "nodes-table",
        "Nodes in the order in which they run",
        ("node", "operation", "inputs", "output shape", "range", "weights", "non-zero"),
        [node_cells(row) for row in node_rows(graph)],
        kind="text",
    )


def node_cells(row: NodeRow) -> list[str]:
    """Return a node as the cells of a table."""
    return [
        row.name,
        row.kind,
        ", ".join(row.inputs) or "–",
        " x ".join(map(str, row.shape)),
        f"{row.low:,} .. {row.high:,}",
        whole(row.weights) if row.weights else "–",
        whole(row.nonzero_weights) if row.weights else "–",
    ]


def _constants(report: EnergyReport) -> list[tuple[Profile, Table]]:
    places = {source: place for place, source in enumerate(sources(report), start=1)}
    return [
        (profile, _constants_of(profile, f"constants-{number}", places))
        for number, profile in enumerate(report.profiles)
    ]


def _constants_of(profile: Profile, name: str, places: Mapping[Source, int]) -> Table:
    heads = ("constant", "typical", "range", "grade", "source", "note")
    found = []
    for row in profile.constants.values():
        place = places[source_of(row)]
        found.append(
            [
                row.name,
                f"{row.value} {row.unit}",
                f"{row.low} to {row.high} {row.unit}",
                row.grade.value,
                Link(f"source {place}", f"#source-{place}"),
                row.note,
            ]
        )
    return Table(name, f"Constants of {profile.name}", heads, found, kind="text")
