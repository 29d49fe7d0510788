"""A frontier as one self-contained HTML page, and as a picture."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgespike import __version__
from edgespike.extras import needs_extra
from edgespike.frontier.fronts import Matched
from edgespike.frontier.series import COSTS, Level, Series, Spread
from edgespike.frontier.summary import Frontier
from edgespike.report import svg
from edgespike.report.rendering import render
from edgespike.report.svg import WIDTHS, Width
from edgespike.report.tables import Table
from edgespike.report.units import joules, joules_range, operations, operations_range, times
from edgespike.storage.files import write_atomically
from edgespike.text import number_of

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

_COLOURS = ("#3d86c6", "#d07f2a", "#3f9a63", "#a8588f", "#7d7a33", "#b5504c")
_MARKERS = "osD^vPX"  # as many as are no multiple of the colours, so that pairs differ for long
_NOT_REACHED = "not reached"


def amount(cost: str, value: float) -> str:
    """Return a cost for people; an infinite one is not reached."""
    if math.isinf(value):
        return _NOT_REACHED
    return joules(value) if cost == "energy_j" else operations(value)


def amounts(cost: str, low: float, high: float) -> str:
    """Return a range of costs for people."""
    if math.isinf(low):
        return "–"
    if math.isinf(high):
        return f"from {amount(cost, low)}"
    if cost == "energy_j":
        from edgespike.energy import Interval

        return joules_range(Interval(low, low, high))
    return operations_range(low, high)


def write_frontier_page(path: Path, frontier: Frontier) -> None:
    """Write a frontier as one HTML file. The same frontier gives the same bytes.

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    WriteError
        The file cannot be written.
    """
    results = frontier.results
    parts = [
        {
            "id": cost.replace("_", "-"),
            "title": _title(cost),
            "chart": _chart(frontier, cost),
            "matched": matched_table(frontier, cost),
        }
        for cost in results.costs
    ]
    page = render(
        "frontier.html.jinja",
        version=__version__,
        series=f"{len(results.series)} series",
        samples=number_of(results.samples, "test sample"),
        results=results,
        parts=parts,
        points=_points_table(frontier),
        method=frontier.method,
    )
    write_atomically(path, page.encode("utf-8"))


def write_frontier_picture(path: Path, frontier: Frontier) -> None:
    """Write accuracy against each cost as one PNG.

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    WriteError
        The file cannot be written.
    """
    with needs_extra("report", "the picture of a frontier"):
        from matplotlib.figure import Figure
    costs = frontier.results.costs
    figure = Figure((5.6 * len(costs), 4.2), layout="constrained")
    for axes, cost in zip(figure.subplots(1, len(costs), squeeze=False)[0], costs, strict=True):
        _draw(axes, frontier, cost)
        axes.grid(alpha=0.3)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside upper left",
        ncols=3,
        frameon=False,
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    write_atomically(path, content.getvalue())


def _title(cost: str) -> str:
    return f"Accuracy against {COSTS[cost]}"


def _chart(frontier: Frontier, cost: str) -> Markup:
    said = "; ".join(
        f"{series.name} from {_place(front[0], cost)} to {_place(front[-1], cost)}"
        for series in frontier.results.series
        if (front := frontier.front(series, cost))
    )
    alt = f"{_title(cost)}, Pareto fronts: {said}."
    drawings = [_drawing(frontier, cost, width) for width in WIDTHS]
    return svg.both(drawings, f"frontier-{cost}", alt)


def _place(level: Level, cost: str) -> str:
    return f"{level.accuracy.mean:.1%} at {amount(cost, level.cost(cost).mean)}"


def _drawing(frontier: Frontier, cost: str, width: Width) -> svg.Drawing:
    drawing = svg.drawing(width, 3.6)
    _draw(drawing.axes, frontier, cost)
    drawing.axes.grid(color=svg.INK, alpha=0.15)
    svg.legend(drawing, width)
    return drawing


def _draw(axes: Axes, frontier: Frontier, cost: str) -> None:
    """Draw each series: its means with their ranges over seeds, and a line along its front."""
    from matplotlib.ticker import EngFormatter, PercentFormatter

    for place, series in enumerate(frontier.results.series):
        color = _COLOURS[place % len(_COLOURS)]
        marker = _MARKERS[place % len(_MARKERS)]
        spreads = [(level.cost(cost), level.accuracy) for level in series.levels]
        for at, (across, up) in enumerate(spreads):
            axes.errorbar(
                *(across.mean, up.mean, _ends(up), _ends(across)),
                fmt=marker,
                color=color,
                markersize=4.5,
                elinewidth=1,
                label=series.name if at == 0 else None,
            )
        front = frontier.front(series, cost)
        axes.plot(
            [level.cost(cost).mean for level in front],
            [level.accuracy.mean for level in front],
            color=color,
            linewidth=1.2,
        )
    axes.set_xlabel(f"{COSTS[cost]}, of a sample")
    axes.set_ylabel("accuracy")
    axes.xaxis.set_major_formatter(EngFormatter("J" if cost == "energy_j" else ""))
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _ends(spread: Spread) -> list[list[float]]:
    return [[spread.mean - spread.low], [spread.high - spread.mean]]


def matched_table(frontier: Frontier, cost: str) -> Table:
    """Return what each accuracy costs each series: the median over seeds, with their range."""
    return Table(
        f"matched-{cost.replace('_', '-')}",
        f"{COSTS[cost].capitalize()} of a sample at the same accuracy: median and range over seeds",
        ("series", "accuracy", "median", "range", "times the least", "seeds that reach it"),
        [
            row
            for accuracy in frontier.accuracies
            for row in _matched_rows(frontier, cost, accuracy)
        ],
    )


def _matched_rows(frontier: Frontier, cost: str, accuracy: float) -> Iterator[list[str]]:
    found = [(series, frontier.at(series, cost, accuracy)) for series in frontier.results.series]
    least = min(matched.typical for _, matched in found)
    for series, matched in found:
        yield [
            series.name,
            f"{accuracy:.2%}",
            amount(cost, matched.typical),
            amounts(cost, matched.low, matched.high),
            _ratio(matched, least),
            f"{matched.reached} of {matched.seeds}",
        ]


def _ratio(matched: Matched, least: float) -> str:
    if math.isinf(matched.typical) or not least:
        return "–"
    return times(matched.typical / least)


def _points_table(frontier: Frontier) -> Table:
    results = frontier.results
    return Table(
        "points",
        "Every point: mean and range over seeds, and on which fronts its mean is",
        (
            "series",
            results.along,
            "seeds",
            "accuracy",
            "range",
            *_cost_heads(results.costs),
            "front",
        ),
        [row for series in results.series for row in _point_rows(frontier, series)],
        kind="last",
    )


def _cost_heads(costs: tuple[str, ...]) -> Iterator[str]:
    for cost in costs:
        yield COSTS[cost]
        yield "range"


def _point_rows(frontier: Frontier, series: Series) -> Iterator[list[str]]:
    costs = frontier.results.costs
    fronts = {cost: frontier.front(series, cost) for cost in costs}
    for level in series.levels:
        accuracy = level.accuracy
        cells = [
            cell
            for cost in costs
            for spread in [level.cost(cost)]
            for cell in (amount(cost, spread.mean), amounts(cost, spread.low, spread.high))
        ]
        on = [COSTS[cost] for cost in costs if level in fronts[cost]]
        yield [
            series.name,
            f"{level.strength:g}",
            str(len(level.runs)),
            f"{accuracy.mean:.2%}",
            f"{accuracy.low:.2%} to {accuracy.high:.2%}",
            *cells,
            "all" if len(on) == len(costs) else ", ".join(on) or "–",
        ]
