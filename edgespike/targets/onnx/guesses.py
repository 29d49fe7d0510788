"""Levels of many, almost evenly spaced thresholds: a guess from a line, and one comparison.

The line gives the level of each value or the one below: ``guess = (x * factor + offset) >> SHIFT``,
between 0 and the second-highest level. Then the level is the guess, plus 1 if the threshold after
it is reached as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgespike.graph import Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.targets.onnx.emitter import INT64, Emitter, per_row
from edgespike.targets.shared.lines import fit
from edgespike.targets.shared.thresholds import counts_thresholds, upright

SHIFT = 30
"""Fractional bits of the line."""

LARGEST = 2.0**62
"""Largest magnitude of what is shifted, so that it is exact in int64."""


@dataclass(frozen=True)
class Guess:
    """A line for each channel whose guesses are proven to be at most one level too low.

    Parameters
    ----------
    sign
        Factor of the values, -1 in flipped channels, ``(channels,)``.
    theta
        Thresholds of the products, ascending, ``(channels, levels)``.
    factor, offset
        Of the products, ``(channels,)``.
    """

    sign: Integers
    theta: Integers
    factor: Integers
    offset: Integers


def exact_guess(op: Threshold, source: Tensor) -> Guess | None:
    """Return a line for thresholds of a range of values; ``None`` if none is proven."""
    sign, theta, low, high = upright(op.theta, op.flipped, source.low, source.high)
    step, start = fit(theta, low, high)
    factors = 2.0**SHIFT / step
    offsets = -factors * (start + step / 2)
    largest = max(-float(low.min()), float(high.max()), 1.0) * factors + np.abs(offsets)
    if not largest.max() < LARGEST:
        return None
    guess = Guess(sign, theta, np.rint(factors).astype(int), np.rint(offsets).astype(int))
    proven = counts_thresholds(partial(_guessed, guess), theta, low, high, missing=1)
    return guess if bool(proven.all()) else None


def _guessed(guess: Guess, x: Integers) -> Integers:
    shifted = (x * guess.factor[:, None] + guess.offset[:, None]) >> SHIFT
    return shifted.clip(0, guess.theta.shape[1] - 1)


def emit_guess(
    emitter: Emitter, name: str, guess: Guess, x: str, dtype: np.dtype[Any], axes: int
) -> str:
    """Return the levels, in int64, of a tensor of a type that holds all thresholds."""

    def constant(values: Integers, what: str, kind: np.dtype[Any] = INT64) -> str:
        return emitter.constant(per_row(values, axes), kind, f"{name}/{what}")

    channels, levels = guess.theta.shape
    if (guess.sign < 0).any():
        x = emitter.emit("Mul", [x, constant(guess.sign, "sign", dtype)], f"{name}/upright")
    wide = emitter.cast(x, INT64, name)
    line = emitter.emit("Mul", [wide, constant(guess.factor, "factor")], f"{name}/line")
    line = emitter.emit("Add", [line, constant(guess.offset, "offset")], f"{name}/line")
    # Division rounds towards zero, but what is negative becomes 0 anyway.
    shift = emitter.constant(1 << SHIFT, INT64, name)
    line = emitter.emit("Div", [line, shift], f"{name}/shifted")
    line = emitter.larger(line, emitter.constant(0, INT64, name), f"{name}/cut")
    last = emitter.constant(levels - 1, INT64, name)
    line = emitter.smaller(line, last, f"{name}/guess")
    rows = constant(levels * np.arange(channels), "rows")
    place = emitter.emit("Add", [line, rows], f"{name}/place")
    theta = emitter.constant(guess.theta.ravel(), dtype, f"{name}/theta")
    limit = emitter.emit("Gather", [theta, place], f"{name}/limit")
    reached = emitter.emit("GreaterOrEqual", [x, limit], f"{name}/reached")
    return emitter.emit("Add", [line, emitter.cast(reached, INT64, name)], name)
