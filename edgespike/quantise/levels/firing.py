"""From sums to levels: the step of each channel, the thresholds, and what is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgespike.floats.net import Reals
from edgespike.floats.run import along
from edgespike.graph.tensor import Integers
from edgespike.quantise.levels.graph_so_far import Growing
from edgespike.quantise.levels.level_steps import best_steps
from edgespike.quantise.levels.losses import warning
from edgespike.quantise.levels.thresholds import thresholds
from edgespike.quantise.levels.values import Events, Sums
from edgespike.quantise.lines import Line
from edgespike.quantise.result import LayerLoss


@dataclass(frozen=True, eq=False)
class Grid:
    """The levels of an activation.

    Parameters
    ----------
    steps
        Real value of one level of each channel.
    lowest, highest
        The levels, whole numbers.
    maximum
        What bounds the activation from above; ``None`` if nothing does.
    """

    steps: Reals
    lowest: int
    highest: int
    maximum: float | None = None

    @property
    def bounds(self) -> Reals:
        """The real values from which on each level is the nearest, ``(channels, levels - 1)``."""
        levels = np.arange(self.lowest + 1, self.highest + 1)
        bounds = (levels - 0.5) * self.steps[:, None]
        if self.maximum is not None:  # levels that only stand for more are never the nearest
            bounds[bounds > self.maximum] = np.inf
        return bounds

    def of(self, values: Reals) -> Integers:
        """Return the nearest levels of real values, ``(samples, channels, ...)``; ties go up."""
        steps, count = along(self.steps, values.ndim - 1), self.highest - self.lowest
        guess = np.clip(np.floor(values / steps + 0.5) - self.lowest, 0, count).astype(np.int64)
        # The division may have been rounded over a bound: the bounds decide.
        ends = np.full((len(self.steps), 1), np.inf)
        bounds = np.concatenate([-ends, self.bounds, ends], axis=1)
        channel = np.arange(len(self.steps)).reshape(-1, *(1,) * (values.ndim - 2))
        guess += values >= bounds[channel, guess + 1]
        while (above := values < bounds[channel, guess]).any():  # many, where a maximum bounds them
            guess -= above
        return np.asarray(guess + self.lowest)


def relu_grid(values: Sequence[Reals], levels: int, maximum: float | None, *, one: bool) -> Grid:
    """Choose the levels of an activation that is never negative.

    Parameters
    ----------
    values
        Of the activations that share these levels, each ``(samples, channels, ...)``.
    levels
        How many, 0 included.
    maximum
        What bounds the activation from above.
    one
        Use one step for all channels.
    """
    return Grid(_steps(values, 0, levels - 1, maximum, one=one), 0, levels - 1, maximum)


def signed_grid(values: Reals, levels: int, *, from_zero: bool, one: bool) -> Grid:
    """Choose the levels of values of both signs, three at least; one of them is 0.

    Parameters
    ----------
    from_zero
        All values are positive or 0, so that no level is below 0.
    """
    levels = max(levels, 3)
    ends = np.quantile(values, [0.001, 0.999]) if values.size else np.zeros(2)
    below, above = max(-float(ends[0]), 0.0), max(float(ends[1]), 0.0)
    lowest = 0
    if not from_zero and below > 0:
        lowest = -min(max(round((levels - 1) * below / (below + above)), 1), levels - 1)
    highest = lowest + levels - 1
    return Grid(_steps([values], lowest, highest, None, one=one), lowest, highest)


def _steps(
    values: Sequence[Reals], lowest: int, highest: int, maximum: float | None, *, one: bool
) -> Reals:
    rows = [np.moveaxis(x, 1, 0).reshape(x.shape[1], -1) for x in values]
    together = np.concatenate(rows, axis=1)
    if one:
        steps = best_steps(together.reshape(1, -1), lowest, highest, maximum)
        return np.repeat(steps, len(together))
    return best_steps(together, lowest, highest, maximum)


@dataclass(frozen=True)
class Fired:
    """Levels in the graph, what was lost, and a warning if there is one."""

    events: Events
    loss: LayerLoss
    warning: str | None


def fire(
    grow: Growing,
    path: str,
    sums: Sums,
    grid: Grid,
    target: Reals,
    *,
    inverse: Callable[[Reals], Reals] = np.array,
    delays: Sequence[str] = (),
) -> Fired:
    """Add the thresholds of an activation to a graph.

    Parameters
    ----------
    path
        Of the activation.
    target
        The float net's values behind the activation.
    inverse
        Of the activation, a rising function; by default it is the identity between its bounds.
    delays
        Nodes of the graph that delay this one.
    """
    tensor = grow.tensors[sums.node]
    op = thresholds(sums.line, inverse(grid.bounds), tensor, grid.lowest)
    label = "spikes" if op.levels == 1 else "levels"
    name = grow.add(path, label, op, [sums.node])
    for delay in delays:
        grow.close(delay, name)
    seen, alone, wanted = grow.seen[name], grow.alone[name], grid.of(target)
    loss = LayerLoss(
        path,
        name,
        seen.size,
        int((seen != wanted).sum()),
        int((alone != wanted).sum()),
        int((seen == grid.highest).sum()),
    )
    grow.alone[name] = wanted.astype(np.int16)
    fired = int((seen != grid.lowest).sum())
    line = Line(grid.steps, np.zeros(len(grid.steps)))
    return Fired(Events(name, line), loss, warning(loss, fired))
