"""The spacing of uniform states that suits a normal distribution."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache
def optimal_step(states: int) -> float:
    """Return the step with which uniform states quantise a standard normal distribution best.

    Best means the least mean squared error; the states lie symmetrically around 0. The step is
    found by bisection and rounded to 8 decimals: thresholds and scales of a converted net follow
    from it, so it must not depend on how a machine's ``exp`` and ``erf`` round.
    """
    low, high = 0.0, 4.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (low, middle) if _error_slope(middle, states) > 0 else (middle, high)
    return round((low + high) / 2, 8)


def _error_slope(step: float, states: int) -> float:
    """Return half the derivative of the mean squared error by the step, in closed form.

    The edges of the cells lie midway between states, so they add nothing to the derivative.
    """
    places = [k - (states - 1) / 2 for k in range(states)]
    edges = [-math.inf, *((place + 0.5) * step for place in places[:-1]), math.inf]
    return sum(
        place
        * (
            place * step * (_normal_share(right) - _normal_share(left))
            - (_density(left) - _density(right))
        )
        for place, left, right in zip(places, edges[:-1], edges[1:], strict=True)
    )


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _normal_share(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2
