"""A scaling of measured numbers to whole numbers of 8 bits, learnt from the training part.

Unsigned, 0..255, where no training value is negative; else signed, -127..127.

Signed, each feature has its own offset, the median, and its own step, the largest deviation from
it over 127. Unsigned, the offset is 0, or the least value where 0 would leave more than half of
the steps unused, and the step is the largest value above the offset over 255. So every training
value is within half a step of its whole number, with one exception: where the largest deviation is
more than `FAR` times the one that 99 % of the deviations stay within, it is an outlier; the step is
then made for `FAR` times that one, and at most 1 % of the feature's values are clipped. Deviations
of 0 are not counted, so that a feature that rarely changes keeps its range. A feature that never
changes has the step 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.faults import refuse
from edgespike.data.own.items import Convert, Kind
from edgespike.graph import Scaling

SIGNED, UNSIGNED = (-127, 127), (0, 255)
"""The whole numbers that a graph gets."""

FAR = 4.0
"""A value this many times as far out as 99 % of the others is an outlier."""

_MOST = 0.99

_VALUES = 2**23
"""Of more values of a feature, evenly spaced ones give the median and the 99 %."""

_LARGEST = 1e300
_SMALLEST = 1e-300

IDENTITY = Scaling((0.0,), (1.0,))
PIXEL = Scaling((0.0,), (1 / 255,))


def learn(values: NDArray[Any], kind: Kind, names: tuple[str, ...] = ()) -> tuple[Scaling, bool]:
    """Return the scaling for training values, and whether its whole numbers are signed.

    Whole numbers 0..255 with some above 127 are taken as they are, with a step of 1, and so are
    numbers of 8 bits with sign, of which -128 becomes -127: a part of them may lack it. Images of
    numbers 0..1 get a step of 1/255, and so do booleans.

    Parameters
    ----------
    values
        Finite numbers, ``(numbers, features)``, at least one of each feature.
    kind
        What a sample is.
    names
        Of the features, for messages; numbers if empty.

    Raises
    ------
    DataError
        Values are too large for float64.
    """
    with np.errstate(over="ignore"):  # of numbers wider than float64, which are refused below
        low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    refuse(
        "the training part",
        (
            f"feature {names[place] if names else place} has values {low[place]:g}.."
            f"{high[place]:g}; give numbers within +-{_LARGEST:g}"
            for place in np.flatnonzero(np.maximum(-low, high) > _LARGEST)
        ),
    )
    least, most = low.min(), high.max()
    if values.dtype == np.bool_:
        return PIXEL, False
    if values.dtype == np.int8:
        return IDENTITY, True
    if least >= 0 and 127 < most <= 255 and _are_whole(values):
        return IDENTITY, False
    if kind == "images" and values.dtype.kind == "f" and least >= 0 and 0 < most <= 1:
        return PIXEL, False
    found = [
        _of_feature(values[:, place], float(low[place]), float(high[place]), bool(least < 0))
        for place in range(values.shape[1])
    ]
    offsets, steps = zip(*found, strict=True)
    return Scaling(offsets, steps), bool(least < 0)


def converter(scaling: Scaling, shape: tuple[int, ...], signed: bool) -> Convert:
    """Return the function that scales samples whose shape ends in ``shape``."""
    low, high = SIGNED if signed else UNSIGNED
    dtype = np.int8 if signed else np.uint8
    return lambda values: scaling.apply(values, shape, low, high).astype(dtype)


def _of_feature(values: NDArray[Any], low: float, high: float, signed: bool) -> tuple[float, float]:
    few = values[:: 1 + len(values) // _VALUES]
    if signed:
        offset = float(np.quantile(few, 0.5, method="lower"))
    else:
        offset = low if low > high - low else 0.0
    largest = max(high - offset, offset - low if signed else 0.0)
    deviations = np.abs(few.astype(np.float64) - offset)
    deviations = deviations[deviations > 0]
    if len(deviations):
        usual = float(np.quantile(deviations, _MOST, method="lower"))
        largest = min(largest, FAR * usual)
    step = largest / (127 if signed else 255)
    return offset, step if step > _SMALLEST else 1.0


def _are_whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
