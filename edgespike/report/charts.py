"""The page's charts: inline SVG in the page's text colour, with text alternatives.

Each is drawn twice, for phones and for wide screens, at the size at which it is shown: the page's
style shows one of the two, so that text is never scaled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import Convention
from edgespike.energy import EnergyReport, Estimate, Interval
from edgespike.report import rows, svg
from edgespike.report.svg import WIDTHS, Width
from edgespike.report.units import joules, joules_range, whole

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_BLUE, _ORANGE, _GREEN = "#3d86c6", "#d07f2a", "#3f9a63"

POINT_LIMIT = 400
"""Most points of a line; of more steps, each point is the mean of several."""


def steps_chart(report: EnergyReport) -> Markup:
    """Draw the operations and spikes of all layers step by step."""
    total = report.counts.total
    lines = (
        ("synaptic operations", _BLUE, total.synaptic_operations[Convention.QUANTISED]),
        ("multiply-accumulates", _ORANGE, total.multiply_accumulates[Convention.QUANTISED]),
        ("spikes", _GREEN, total.spikes),
    )
    shown = [(name, color, numbers) for name, color, numbers in lines if numbers.any()]
    said = (
        f"{name} {whole(int(numbers[0]))} at the first and {whole(int(numbers[-1]))} at the last, "
        f"at most {whole(int(numbers.max()))}"
        for name, _, numbers in shown
    )
    alt = f"Line chart over {report.steps} steps: {_listed(said)}."
    return svg.both([_steps(shown, width) for width in WIDTHS], "steps", alt)


def _steps(lines: Sequence[tuple[str, str, NDArray[Any]]], width: Width) -> svg.Drawing:
    from matplotlib.ticker import MaxNLocator

    drawing = svg.drawing(width, 2.9)
    for name, color, numbers in lines:
        at, points = _points(numbers)
        marker = "o" if len(points) <= 50 else ""
        drawing.axes.plot(at, points, color=color, marker=marker, markersize=4, label=name)
    drawing.axes.set_ylim(bottom=0)
    drawing.axes.set_xlabel("step")
    drawing.axes.xaxis.set_major_locator(MaxNLocator(nbins=width.ticks, integer=True))
    _number_axis(drawing.axes.yaxis, "")
    svg.legend(drawing, width)
    return drawing


def _points(numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return places and heights of a line's points."""
    each = math.ceil(len(numbers) / POINT_LIMIT)
    starts = np.arange(0, len(numbers), each)
    sizes = np.minimum(each, len(numbers) - starts)
    means = np.add.reduceat(numbers.astype(float), starts) / sizes
    return starts + (sizes - 1) / 2, means


def energy_chart(report: EnergyReport) -> Markup | str:
    """Draw the energy of one sample by each model, with its range, on a logarithmic axis.

    Ranges that begin at zero cannot be drawn there; empty if there are no others.
    """
    samples = report.counts.samples
    shown = [row for row in report.estimates if row.energy.low > 0]
    if not shown:
        return ""
    means = [(row, row.energy / samples) for row in shown]
    said = (f"{row.model.name} {joules(e.typical)} ({joules_range(e)})" for row, e in means)
    alt = f"Energy of one sample by model: {_listed(said)}."
    return svg.both([_energies(report, shown, width) for width in WIDTHS], "energy", alt)


def _energies(report: EnergyReport, shown: Sequence[Estimate], width: Width) -> svg.Drawing:
    samples = report.counts.samples
    drawing = svg.drawing(width, 0.62 * len(shown) + 1.0)
    axes = drawing.axes
    places = np.arange(len(shown), dtype=float)
    graph = [row.energy / samples for row in shown]
    _intervals(axes, places, graph, _BLUE, "o", "this graph")
    dense = [
        (place + 0.2, row.baselines[0].energy / samples)
        for place, row in zip(places, shown, strict=True)
        if row.baselines and row.baselines[0].energy.low > 0
    ]
    if dense:
        label = "dense baseline" if report.steps == 1 else "dense baseline of fewest passes"
        at = np.array([place for place, _ in dense])
        _intervals(axes, at, [energy for _, energy in dense], _ORANGE, "D", label)
    _name_rows(drawing, [_model_name(row, width) for row in shown])
    axes.set_xscale("log")
    axes.set_xlim(_decades([*graph, *(energy for _, energy in dense)]))
    axes.set_xlabel("energy of a sample")
    _decade_ticks(axes.xaxis, width)
    svg.legend(drawing, width)
    return drawing


def _model_name(row: Estimate, width: Width) -> str:
    return width.shorten(", ".join(filter(None, (rows.model_name(row), rows.target_mark(row)))))


def _intervals(
    axes: Axes,
    places: NDArray[Any],
    energies: Sequence[Interval],
    color: str,
    marker: str,
    label: str,
) -> None:
    low, typical, high = (
        [getattr(energy, name) for energy in energies] for name in ("low", "typical", "high")
    )
    axes.hlines(places, low, high, color=color, linewidth=5, alpha=0.45)
    axes.plot(typical, places, marker, color=color, markersize=5.5, label=label)


def _name_rows(drawing: svg.Drawing, names: Sequence[str]) -> None:
    """Write the name of each row above it, where it takes no width from the chart."""
    axes = drawing.axes
    across = axes.get_yaxis_transform()
    for place, name in enumerate(names):
        axes.text(
            0.01, place - 0.22, name, transform=across, color=svg.INK, va="bottom", parse_math=False
        )
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.5, -0.75)


def _decades(energies: Iterable[Interval]) -> tuple[float, float]:
    """Return the powers of ten around all energies: each end of the axis has a number."""
    ends = [end for energy in energies for end in (energy.low, energy.high)]
    low, high = math.floor(math.log10(min(ends))), math.ceil(math.log10(max(ends)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _decade_ticks(axis: Axis, width: Width) -> None:
    from matplotlib.ticker import LogLocator

    _number_axis(axis, "J")
    axis.set_major_locator(LogLocator(numticks=width.ticks))


def _number_axis(axis: Axis, unit: str) -> None:
    from matplotlib.ticker import EngFormatter, NullLocator

    axis.set_major_formatter(EngFormatter(unit))
    axis.set_minor_locator(NullLocator())
    axis.grid(color=svg.INK, alpha=0.15)


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(parts) or "nothing"
