"""Against what: the same counts by other models, and dense networks of the same shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgespike.energy import Baseline, EnergyReport, Estimate
from edgespike.report import charts, rows
from edgespike.report.tables import Table
from edgespike.report.units import joules, joules_range, share, times, whole


def values(report: EnergyReport) -> dict[str, Any]:
    """Return what the template of this part shows."""
    break_even = any(row.break_even is not None for row in report.estimates)
    return {
        "energy_chart": charts.energy_chart(report) if report.estimates else "",
        "models": models_table(report),
        "dense": Table(
            "energy-dense",
            "Dense networks of the same shape, by the same models and constants",
            (
                "model",
                "dense baseline",
                "energy of a sample",
                "range",
                "operations",
                "times this graph",
                *(("break-even",) if break_even else ()),
            ),
            list(_dense_rows(report, break_even)),
            kind="second",
        ),
        "break_even": break_even,
    }


def models_table(report: EnergyReport) -> Table:
    """Return a row for each model: the energy of a mean sample."""
    return Table(
        "energy-by-model",
        f"Energy of a sample by model, mean over {rows.samples(report)}",
        ("model", "typical", "range", "constants", "grade", "memory share", "all samples"),
        [_model_row(row, report.counts.samples) for row in report.estimates],
    )


def _model_row(row: Estimate, samples: int) -> list[str]:
    per_sample = row.energy / samples
    mark = rows.target_mark(row)
    return [
        f"{row.model.name} ({mark})" if mark else row.model.name,
        joules(per_sample.typical),
        joules_range(per_sample),
        row.profile.name,
        row.grade.value,
        share(row.memory_share),
        joules(row.energy.typical),
    ]


def _dense_rows(report: EnergyReport, break_even: bool) -> Iterator[list[str]]:
    for row in report.estimates:
        for baseline in row.baselines:
            cells = _dense_row(row, baseline, report.counts.samples)
            yield cells if break_even else cells[:-1]


def _dense_row(row: Estimate, baseline: Baseline, samples: int) -> list[str]:
    per_sample = baseline.energy / samples
    typical = row.energy.typical
    cheapest = baseline is row.baselines[0] and row.break_even is not None
    return [
        rows.model_name(row),
        baseline.name,
        joules(per_sample.typical),
        joules_range(per_sample),
        whole(baseline.operations // samples),
        times(baseline.energy.typical / typical) if typical else "–",
        times(row.break_even or 0.0) if cheapest else "–",
    ]
