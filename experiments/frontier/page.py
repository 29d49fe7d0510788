"""The results as a page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from edgespike.sweep.results import Row
from experiments.frontier.conversions import CALIBRATION, Plan, baselines, connections_of
from experiments.frontier.nets import BETA, PERCENTILE


def page(plan: Plan, rows: Sequence[Row], sources: Sequence[Row]) -> str:
    """Return means over the seeds that are finished, as Markdown.

    Parameters
    ----------
    rows, sources
        Of the baselines, and of the nets before their conversion.
    """
    accuracies = {row["point"]: row["accuracy"] for row in sources}
    lines = [
        "# Baselines of the small Fashion-MNIST net",
        "",
        "Written by `python -m experiments.frontier.baselines`. Means over seeds, on "
        f"{rows[0]['samples']:,} test samples; in brackets the range over the seeds. "
        'The accuracy "before" is that of the net that the graph was made of. '
        "Operations and energy are of a sample, counted on the deployed graph.",
        "",
        f"A net that computes every connection of these layers once makes {connections_of(plan):,} "
        "multiply-accumulates.",
        "",
        "| baseline | seeds | accuracy, % | before, % | synaptic operations | "
        "multiply-accumulates | energy, µJ |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for baseline in baselines(plan):
        own = [row for row in rows if row["point"] == f"{baseline.identity}-seed{row['seed']}"]
        if not own:
            continue
        before = [accuracies[f"{baseline.source}-seed{row['seed']}"] for row in own]
        lines.append(
            f"| {baseline.name} | {len(own)} | {_spread([row['accuracy'] for row in own])} | "
            f"{_spread(before)} | {_mean(own, 'synaptic_operations')} | "
            f"{_mean(own, 'multiply_accumulates')} | "
            f"{statistics.fmean(row['energy_j'] for row in own) * 1e6:.1f} |"
        )
    lines += [
        "",
        f"The float net was trained for {plan.recipe.epochs} epochs and the LIF net for "
        f"{plan.leaky_epochs}, with the other settings of the recipe. LIF neurons keep {BETA:g} of "
        "their potential in a step and are reset by subtraction. Levels and rates are conversions "
        f"without training, calibrated on {CALIBRATION} training images; a spike of a rate stands "
        f"for the {PERCENTILE}th percentile of its layer. Weights have 8 bits. The energy is the "
        f"typical one of model {rows[0]['energy_model']}.",
    ]
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    low, mean, high = min(values), statistics.fmean(values), max(values)
    return f"{100 * mean:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def _mean(rows: Sequence[Row], name: str) -> str:
    return f"{statistics.fmean(row[name] for row in rows):,.0f}"
