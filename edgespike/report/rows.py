"""What both the terminal and the page show, as rows of numbers and sentences."""

from __future__ import annotations

from edgespike.counting import Convention, Counts, LayerCounts
from edgespike.energy import Baseline, EnergyReport, Estimate
from edgespike.report.units import joules, whole
from edgespike.text import number_of

COUNT_COLUMNS = (
    "synaptic operations",
    "multiply-accumulates",
    "neuron updates",
    "spikes",
    "pool operations",
)
"""The counts shown for each layer."""

CONVENTIONS = {
    Convention.EVERY: "every synapse",
    Convention.NONZERO: "non-zero float weights",
    Convention.QUANTISED: "non-zero quantised weights",
}
"""What each convention counts."""

WHAT_IS_COUNTED = (
    "A synaptic operation is one spike that arrives at one existing synapse. Events that carry a "
    "number are counted as multiply-accumulates, and so is each product of two events."
)


def count_row(layer: LayerCounts) -> list[int]:
    """Return a layer's :data:`COUNT_COLUMNS`, summed over steps, for non-zero quantised weights."""
    totals = layer.totals()
    return [
        totals["synaptic_operations"][Convention.QUANTISED.value],
        *(totals[name.replace(" ", "_").replace("-", "_")] for name in COUNT_COLUMNS[1:]),
    ]


def count_rows(counts: Counts) -> list[tuple[str, list[int]]]:
    """Return name and :data:`COUNT_COLUMNS` of each layer where one is not zero."""
    rows = [(layer.name, count_row(layer)) for layer in counts.layers]
    return [(name, numbers) for name, numbers in rows if any(numbers)]


def by_convention(counts: Counts) -> list[tuple[str, int]]:
    """Return the name of each convention and the synaptic operations that it counts."""
    return [(text, counts.synaptic_operations(kind)) for kind, text in CONVENTIONS.items()]


def left_out(estimate: Estimate) -> str:
    """Return what the run did and the model does not charge for, in words."""
    parts = (f"{what.value} ({whole(count)})" for what, count in estimate.left_out.items())
    return ", ".join(parts)


def nothing_charged(estimate: Estimate) -> str:
    """Return why an energy is zero; empty for any other."""
    if estimate.energy.high > 0:
        return ""
    charged = dict.fromkeys(term.quantity.value for term in estimate.model.terms)
    return (
        f"It is 0 J because this run has no {' and no '.join(charged)}; that does not mean that "
        "the run costs nothing, since the model charges for nothing else."
    )


def dense_baselines(estimate: Estimate, samples: int) -> list[str]:
    """Return the typical energy of each dense baseline per sample, with its number of passes.

    The number is left out where it is 1 and there is no other baseline.
    """
    single = [baseline.passes for baseline in estimate.baselines] == [1]
    return [
        joules(baseline.energy.typical / samples) + ("" if single else f" ({_passes(baseline)})")
        for baseline in estimate.baselines
    ]


def _passes(baseline: Baseline) -> str:
    return f"{whole(baseline.passes)} pass{'es' if baseline.passes > 1 else ''}"


def model_name(estimate: Estimate) -> str:
    """Return the model's name, with its constants' where that is another."""
    model, constants = estimate.model.name, estimate.profile.name
    return model if model == constants else f"{model} ({constants})"


def target_mark(estimate: Estimate) -> str:
    """Return what marks an energy of hardware that cannot run the graph; empty for any other."""
    return f"refused by target {estimate.model.target}" if estimate.refusals else ""


def target_sentence(estimate: Estimate) -> str:
    """Return whether the model's target can run the graph; empty for a model without a target."""
    target = estimate.model.target
    if not target:
        return ""
    if estimate.refusals is None:
        return f"Whether target {target} can run this graph was not checked."
    if not estimate.refusals:
        return f"Target {target} can run this graph."
    first, *others = estimate.refusals
    more = f" (and {len(others)} more)" if others else ""
    return (
        f"Target {target} cannot run this graph, so no such hardware would use this energy: "
        f"{first}{more}. 'edgespike export --target {target}' lists all reasons."
    )


def silent_sentence(report: EnergyReport) -> str:
    """Return which layers emitted nothing in the whole run; empty if each emitted something."""
    if not report.silent:
        return ""
    return (
        f"Silent in this run, without a single event: {', '.join(report.silent)}. What follows "
        "from these alone does not depend on the samples; look at their inputs and thresholds."
    )


def samples(report: EnergyReport) -> str:
    """Return the number of samples in a report, and of their steps, in words."""
    text = number_of(report.counts.samples, "sample")
    return text if report.steps == 1 else f"{text} of {whole(report.steps)} steps"
