"""What the terminal and the page both show, as rows of numbers and sentences."""

from __future__ import annotations

from edgespike.counting import Convention, Counts, LayerCounts
from edgespike.energy import EnergyReport, Estimate
from edgespike.report.units import whole

COLUMNS = (
    "synaptic operations",
    "multiply-accumulates",
    "neuron updates",
    "spikes",
    "pool operations",
)
"""The counts that are shown of each layer."""

CONVENTIONS = {
    Convention.EVERY: "every synapse",
    Convention.NONZERO: "non-zero float weights",
    Convention.QUANTISED: "non-zero quantised weights",
}
"""What each convention counts."""

WHAT_IS_COUNTED = (
    "A synaptic operation is one spike that arrives at one existing synapse. Events that carry a "
    "number are multiply-accumulates."
)


def count_row(layer: LayerCounts) -> list[int]:
    """Return a layer's :data:`COLUMNS`, summed over steps, on non-zero quantised weights."""
    totals = layer.totals()
    return [
        totals["synaptic_operations"][Convention.QUANTISED.value],
        *(totals[name.replace(" ", "_").replace("-", "_")] for name in COLUMNS[1:]),
    ]


def count_rows(counts: Counts) -> list[tuple[str, list[int]]]:
    """Return name and :data:`COLUMNS` of each layer that has any."""
    rows = [(layer.name, count_row(layer)) for layer in counts.layers]
    return [(name, numbers) for name, numbers in rows if any(numbers)]


def by_convention(counts: Counts) -> list[tuple[str, int]]:
    """Return what each convention is called and its synaptic operations."""
    return [(text, counts.synaptic_operations(kind)) for kind, text in CONVENTIONS.items()]


def left_out(estimate: Estimate) -> str:
    """Name what the run did and the model does not charge for."""
    parts = (f"{what.value} ({whole(count)})" for what, count in estimate.left_out.items())
    return ", ".join(parts)


def samples(report: EnergyReport) -> str:
    """Say how many samples of how many steps a report is about."""
    number = report.counts.samples
    text = f"{whole(number)} sample{'s' if number > 1 else ''}"
    return text if report.steps == 1 else f"{text} of {whole(report.steps)} steps"
