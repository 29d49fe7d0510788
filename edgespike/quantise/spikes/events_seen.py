"""The events that reach each weighted layer of a folded net on samples: what rounding looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import FloatConv2d, FloatDense, FloatPool2d, Pooling, Reals
from edgespike.floats.run import AT_ONCE, run_steps
from edgespike.floats.weighted import per_input
from edgespike.graph.tensor import Integers
from edgespike.quantise.spikes.folded import Folded

MOST_SEEN = 2048
"""Most steps of samples that are looked at, all samples together."""

MOST_VALUES = 2**23
"""Most events of one layer that are kept; 64 MiB."""

ENOUGH_SAMPLES = 256
"""Samples that are looked at; as many are enough for nets of levels, too."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a folded net did on samples.

    Parameters
    ----------
    events
        Events that reach each weighted layer, ``(rows, *shape)``, by the layer's name. A row is a
        step of a sample; they are taken at regular intervals.
    ranges
        Smallest and largest sum of each channel, in real units, of which the largest are pooled,
        by the pool's name.
    """

    events: dict[str, Integers] = field(default_factory=dict)
    ranges: dict[str, tuple[Reals, Reals]] = field(default_factory=dict)


def seen_on(folded: Folded, samples: NDArray[Any]) -> Seen:
    """Run a folded net on samples, and return what it did.

    Parameters
    ----------
    samples
        Whole numbers, ``(samples, *shape)`` or with an axis of steps behind the first.
    """
    sources = {
        node.name: node.inputs[0]
        for node in folded.net.nodes
        if isinstance(node.op, FloatDense | FloatConv2d)
    }
    samples = samples[:ENOUGH_SAMPLES]
    kept: dict[str, list[Integers]] = {name: [] for name in sources.values()}
    every = {name: _interval(folded, name, len(samples)) for name in kept}
    pools = {
        node.name: node.inputs[0]
        for node in folded.net.nodes
        if isinstance(node.op, FloatPool2d)
        and node.op.pooling is Pooling.MAX
        and node.name in folded.sums
    }
    ranges: dict[str, tuple[Reals, Reals]] = {}
    for start in range(0, len(samples), AT_ONCE):
        for t, values in enumerate(run_steps(folded.net, samples[start : start + AT_ONCE])):
            for name, parts in kept.items():
                # A later step for each next sample: all steps are seen, if not of each sample.
                first = -(start + t) % every[name]
                parts.append(values[name][first :: every[name]].astype(np.int64))
            for name, source in pools.items():
                ends = values[source].min(axis=(0, 2, 3)), values[source].max(axis=(0, 2, 3))
                low, high = ranges.get(name, ends)
                ranges[name] = np.minimum(low, ends[0]), np.maximum(high, ends[1])
    events = {name: np.concatenate(kept[source]) for name, source in sources.items()}
    return Seen(events, ranges)


def _interval(folded: Folded, name: str, samples: int) -> int:
    most = min(MOST_SEEN, max(1, MOST_VALUES // prod(folded.shapes[name])))
    return -(-samples * folded.net.steps // most)


def mean_for(op: FloatDense | FloatConv2d, events: Integers) -> Reals:
    """Return the mean event at each weight, in a shape that broadcasts against the weights.

    It is one number for a channel of a convolution; its padding is left out.
    """
    return per_input(events.mean(axis=(0, *range(2, events.ndim))), op)
