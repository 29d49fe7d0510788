"""Where the operations are: in which layers, and at which steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgespike.energy import EnergyReport
from edgespike.report import charts, rows
from edgespike.report.units import mean, share


@dataclass(frozen=True)
class LayerRow:
    """One layer: cells of a mean sample, and how long its bars are.

    Parameters
    ----------
    name
        Name of the layer.
    spikes, graded
        Lengths of the bars in percent of the busiest layer's: synaptic operations and
        multiply-accumulates.
    share
        Its share in the operations of both kinds.
    cells
        Both kinds of operations of a mean sample.
    """

    name: str
    spikes: float
    graded: float
    share: str
    cells: tuple[str, ...]


def values(report: EnergyReport) -> dict[str, Any]:
    """Return what the template of this part shows."""
    return {
        "layers": list(_layers(report)),
        "silent": rows.silent_sentence(report),
        "steps_chart": charts.steps_chart(report) if report.steps > 1 else "",
    }


def _layers(report: EnergyReport) -> Iterator[LayerRow]:
    samples = report.counts.samples
    counted = rows.count_rows(report.counts)
    found = [(name, numbers[:2]) for name, numbers in counted if any(numbers[:2])]
    operations = [sum(numbers) for _, numbers in found]
    most, everything = max(operations, default=0), sum(operations)
    for (name, numbers), both in zip(found, operations, strict=True):
        spikes, graded = (round(100 * number / most, 2) for number in numbers)
        cells = tuple(mean(number, samples) for number in numbers)
        yield LayerRow(name, spikes, graded, share(both / everything), cells)
