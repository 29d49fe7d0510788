"""The plots of the cpu target's speed: over firing rates, and over synaptic operations."""

from __future__ import annotations

from typing import Any

from engine_cases import CONV, IMAGES, MLP
from engine_rivals import ENGINE, LITERT, SNNTORCH
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from plot_style import GRID, INK

COLOURS = {ENGINE: "#1d4ed8", LITERT: "#b45309", SNNTORCH: "#6b7280"}
MARKS = {ENGINE: "o", LITERT: "s", SNNTORCH: "^"}
NETS = {CONV: "#1d4ed8", IMAGES: "#047857", MLP: "#a21caf"}
NAMES = {
    CONV: "convolutions, 20 steps",
    MLP: "784-256-10, 8 steps",
    IMAGES: "fashion_s3nn, 1 step",
}


def time_plot(engine: dict[str, Any]) -> Figure:
    """Draw time a sample against the share of events in the input, a panel a net."""
    figure, panels = pyplot.subplots(1, 3, figsize=(10, 3.8), layout="constrained")
    for axes, (net, title) in zip(panels, NAMES.items(), strict=True):
        cases = _at_rates(engine, net)
        for method, colour in COLOURS.items():
            _line(axes, cases, "rate", method, colour, marker=MARKS[method], label=method)
        _logarithmic(axes, title)
        axes.set_xticks([case["rate"] for case in cases])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    panels[0].set_ylabel("µs a sample", color=INK)
    figure.supxlabel("events, % of the input's elements", fontsize=11, color=INK)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False
    )
    return figure


def operations_plot(engine: dict[str, Any]) -> Figure:
    """Draw time a sample against the operations that its events ask for, over all three nets."""
    figure, axes = pyplot.subplots(figsize=(7.5, 4.6), layout="constrained")
    _logarithmic(axes, "")
    for net, colour in NETS.items():
        cases = _at_rates(engine, net)
        ours = {"marker": "o", "linewidth": 2.2}
        _line(axes, cases, "operations", ENGINE, colour, label=NAMES[net], **ours)
        dashed = {"marker": "s", "linestyle": "--", "markersize": 4, "linewidth": 1.2}
        _line(axes, cases, "operations", LITERT, colour, **dashed)
    microseconds = 1e-3 / engine["peaks"]["additions"]
    ends = [axes.get_ylim()[0] / microseconds, axes.get_xlim()[1]]
    peak = [operations * microseconds for operations in ends]
    axes.plot(ends, peak, color=INK, linestyle=":", label="additions alone, at the core's peak")
    axes.plot([], [], color=INK, linestyle="--", marker="s", markersize=4, label="LiteRT, same net")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
    axes.set_xlabel("synaptic operations a sample", color=INK)
    axes.set_ylabel("µs a sample", color=INK)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9.5)
    return figure


def _at_rates(engine: dict[str, Any], net: str) -> list[dict[str, Any]]:
    """Return a net's cases by rising rate."""
    found = [case for case in engine["cases"] if case["net"] == net and case["rate"]]
    return sorted(found, key=lambda case: float(case["rate"]))


def _line(
    axes: Axes, cases: list[dict[str, Any]], over: str, method: str, colour: str, **style: Any
) -> None:
    places = [case["rate"] if over == "rate" else case["work a sample"][over] for case in cases]
    times = [case["microseconds a sample"][method] for case in cases]
    axes.plot(places, times, color=colour, **style)


def _logarithmic(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
    axes.set_title(title, fontsize=11, color=INK)
