"""The page's charts: inline SVG in the page's text colour, with text alternatives."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import Convention
from edgespike.energy import EnergyReport, Estimate, Interval
from edgespike.extras import needs_extra
from edgespike.report import rows
from edgespike.report.units import joules, joules_range, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Placeholder for the page's text colour, replaced in the finished SVG; no chart uses it otherwise.
_INK = "#010203"
_BLUE, _ORANGE, _GREEN = "#3d86c6", "#d07f2a", "#3f9a63"
_WIDTH = 5.2


def layers_chart(report: EnergyReport) -> str:
    """Draw the operations that arrive at each layer, on non-zero quantised weights."""
    weighted = [
        (name, numbers[:2]) for name, numbers in rows.count_rows(report.counts) if any(numbers[:2])
    ]
    figure, axes = _figure(0.36 * len(weighted) + 1.1)
    places = np.arange(len(weighted))
    labels = [name for name, _ in weighted]
    spikes = [float(numbers[0]) for _, numbers in weighted]
    graded = [float(numbers[1]) for _, numbers in weighted]
    axes.barh(places, spikes, 0.62, color=_BLUE, label="synaptic operations")
    axes.barh(places, graded, 0.62, left=spikes, color=_ORANGE, label="multiply-accumulates")
    _name_rows(axes, labels)
    axes.set_xlabel(f"operations over {rows.samples(report)}")
    _number_axis(axes.xaxis, "")
    _legend(figure, axes)
    said = (f"{name} {whole(sum(numbers))}" for name, numbers in weighted)
    return _svg(figure, "layers", f"Bar chart of the operations of each layer: {_listed(said)}.")


def steps_chart(report: EnergyReport) -> str:
    """Draw the operations and spikes of all layers step by step."""
    total = report.counts.total
    lines = (
        ("synaptic operations", _BLUE, total.synaptic_operations[Convention.QUANTISED]),
        ("multiply-accumulates", _ORANGE, total.multiply_accumulates[Convention.QUANTISED]),
        ("spikes", _GREEN, total.spikes),
    )
    shown = [line for line in lines if line[2].any()]
    figure, axes = _figure(2.9)
    from matplotlib.ticker import MaxNLocator

    marker = "o" if report.steps <= 50 else ""
    for label, color, numbers in shown:
        axes.plot(
            np.arange(report.steps), numbers.astype(float), color=color, marker=marker, label=label
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _number_axis(axes.yaxis, "")
    _legend(figure, axes)
    said = (
        f"{label} {whole(int(numbers[0]))} at the first and {whole(int(numbers[-1]))} at the last"
        for label, _, numbers in shown
    )
    return _svg(figure, "steps", f"Line chart over {report.steps} steps: {_listed(said)}.")


def energy_chart(report: EnergyReport) -> str | None:
    """Draw the energy of one sample by each model, with its range, on a logarithmic axis.

    Ranges that begin at zero cannot be drawn there; ``None`` if there are no others.
    """
    samples = report.counts.samples
    shown = [estimate for estimate in report.estimates if estimate.energy.low > 0]
    if not shown:
        return None
    figure, axes = _figure(0.5 * len(shown) + 1.2)
    places = np.arange(len(shown))
    means = [estimate.energy / samples for estimate in shown]
    _intervals(axes, places - 0.13, means, _BLUE, "o", "this graph")
    dense = [
        (place, estimate.baselines[0].energy / samples)
        for place, estimate in enumerate(shown)
        if estimate.baselines
    ]
    if dense:
        at = np.array([place for place, _ in dense]) + 0.17
        label = "dense baseline" if report.steps == 1 else "dense baseline of fewest passes"
        _intervals(axes, at, [energy for _, energy in dense], _ORANGE, "D", label)
    _name_rows(axes, [_model_name(row) for row in shown])
    axes.set_xscale("log")
    axes.set_xlabel("energy of one sample: low to high, marker at typical")
    _number_axis(axes.xaxis, "J")
    _legend(figure, axes)
    said = (
        f"{row.model.name} {joules(mean.typical)} ({joules_range(mean)})"
        for row, mean in zip(shown, means, strict=True)
    )
    return _svg(figure, "energy", f"Energy of one sample by model: {_listed(said)}.")


def _model_name(estimate: Estimate) -> str:
    lines = [estimate.model.name, f"{estimate.profile.name}, {estimate.grade.value}"]
    return "\n".join(filter(None, [*lines, rows.target_mark(estimate)]))


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
    axes.plot(typical, places, marker, color=color, markersize=6, label=label)


def _figure(height: float) -> tuple[Figure, Axes]:
    with needs_extra("report", "the HTML report"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.tick_params(which="both", colors=_INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(_INK)
    return figure, axes


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), names, parse_math=False)
    axes.invert_yaxis()


def _number_axis(axis: Axis, unit: str) -> None:
    from matplotlib.ticker import EngFormatter, NullFormatter

    axis.set_major_formatter(EngFormatter(unit))
    axis.set_minor_formatter(NullFormatter())
    axis.grid(color=_INK, alpha=0.15)


def _legend(figure: Figure, axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=_INK)


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(parts) or "nothing"


def _svg(figure: Figure, name: str, alt: str) -> str:
    """Write a figure as an SVG element with a text alternative, the same for the same numbers."""
    import matplotlib

    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": "edgespike", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata=nothing)
    return _embedded(text.getvalue(), name, alt)


def _embedded(svg: str, name: str, alt: str) -> str:
    svg = svg[svg.index("<svg") :]
    # A style element would affect the whole page, and ids must be unique in it.
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(_INK, "currentColor")
    view = re.search(r'viewBox="[^"]*"', svg)
    frame = f'<svg role="img" aria-label="{html.escape(alt)}" {view.group() if view else ""}>'
    return re.sub(r"<svg[^>]*>", lambda _: frame, svg, count=1)
