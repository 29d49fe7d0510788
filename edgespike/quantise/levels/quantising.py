"""From a net of ReLU and tanh in real numbers to a graph of a few levels.

The recipe: a step of each channel's levels and a unit of each channel's weights that lose least in
the mean square; weights are multiplied by the steps of their inputs before they are rounded, so
that each input has a step of its own for free; GPTQ's rounding; and slope and offset of every
channel corrected after it, through the thresholds. It needs samples, up to `MOST_SAMPLES` of them,
and no labels. Chance is drawn with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatDelay, FloatNet, Reals
from edgespike.floats.run import run_steps
from edgespike.graph import Threshold
from edgespike.graph.tensor import Integers
from edgespike.quantise.inputs import Calibration, calibration
from edgespike.quantise.levels.checks import check_net
from edgespike.quantise.levels.graph_so_far import Growing
from edgespike.quantise.levels.losses import compared
from edgespike.quantise.levels.rewriting import rewritten
from edgespike.quantise.levels.state import State
from edgespike.quantise.levels.values_so_far import Held
from edgespike.quantise.levels.walk import walk
from edgespike.quantise.result import LayerLoss, Quantised

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions

MOST_SAMPLES = 256
"""Samples that scales are chosen from; fewer where `MOST_VALUES` allows no more."""

MOST_VALUES = 2**26
"""Values of all nodes on all these samples; 512 MiB as float64, and about as much for the graph."""


def quantise_levels(net: FloatNet, options: ConvertOptions, name: str) -> Quantised:
    """Turn a net of ReLU and tanh into a graph of levels.

    Raises
    ------
    UnsupportedError
        Lists what has no integer form, or what is wrong with the samples for calibration.
    """
    check_net(net, options)
    given = calibration(net, options)
    ordered, moved = rewritten(net)
    chosen, floats = _float_values(ordered, given)
    state = State(ordered, options, floats, Growing(net.steps))
    nodes = walk(Held(state), given.op, _whole_samples(net, given, chosen))
    graph = state.grow.graph(name, net.steps)
    found = compared(net, graph, given.samples, given.labels, given.real)
    return Quantised(
        graph,
        net,
        {key: node for key, node in nodes.items() if key not in moved},
        exact=False,
        layers=tuple(_losses(state)),
        flipped=found.flipped,
        samples=found.samples,
        accuracy_before=found.before,
        accuracy_after=found.after,
        assumed=(*net.assumed, given.said, state.said(len(chosen))),
        warnings=tuple(state.warnings),
    )


def _losses(state: State) -> Iterator[LayerLoss]:
    """Yield what is lost, also where a loop closed behind a layer and changed what it receives."""
    ops = {node.name: node.op for node in state.grow.nodes}
    for loss in state.losses:
        seen, wanted, op = state.grow.seen[loss.node], state.grow.alone[loss.node], ops[loss.node]
        if not isinstance(op, Threshold):
            raise TypeError(f"{loss.node} has no levels")
        saturated = int((seen == op.offset + op.levels).sum())
        yield replace(loss, different=int((seen != wanted).sum()), saturated=saturated)


def _float_values(net: FloatNet, given: Calibration) -> tuple[list[int], dict[str, Reals]]:
    """Return which samples are used, and the values of all nodes on them, step after step."""
    count = len(given.samples)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
        sizes = next(run_steps(net, given.real[:1]))
        values = net.steps * sum(x.size for x in sizes.values())
        most = max(1, min(MOST_SAMPLES, MOST_VALUES // values))
        chosen = list(range(count))
        if count > most:
            chosen = sorted(np.random.default_rng(0).choice(count, most, replace=False).tolist())
        steps = run_steps(net, given.real[chosen])
        every = [next(steps)] if _is_constant(net, given) else list(steps)
    merged = every[0]
    if len(every) > 1:
        merged = {name: np.concatenate([step[name] for step in every]) for name in merged}
    bad = [name for name, x in merged.items() if not np.isfinite(x).all()]
    if bad:
        raise UnsupportedError(
            "model cannot be calibrated",
            [
                f"{net.by_name[bad[0]].title} has values that are not finite on the samples; check "
                "their scale"
            ],
        )
    return chosen, merged


def _is_constant(net: FloatNet, given: Calibration) -> bool:
    """Return whether all values are the same at all steps of a sample."""
    return given.samples.ndim == len(given.op.shape) + 1 and not any(net.of_type(FloatDelay))


def _whole_samples(net: FloatNet, given: Calibration, chosen: list[int]) -> Integers:
    samples = given.samples[chosen]
    if _is_constant(net, given):
        return samples
    if samples.ndim == len(given.op.shape) + 1:
        return np.concatenate([samples] * net.steps)
    return np.concatenate([samples[:, t] for t in range(samples.shape[1])])
