"""The whole numbers of a graph's input, and samples in real numbers written as these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError, UnsupportedError, shown
from edgespike.floats.net import FloatNet
from edgespike.floats.run import input_shape
from edgespike.graph import Graph, Input
from edgespike.graph.inputs import reshaping

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions

UNSIGNED, SIGNED = (0, 255), (-128, 127)
"""The ranges of inputs that were real numbers."""

MOST_GIVEN = 2000
"""Samples that are used of those that a user gives, drawn with a fixed seed; all are checked."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples to calibrate with, as whole numbers, and the input that they are for.

    Parameters
    ----------
    op
        The graph's input.
    samples
        ``(samples, *shape)`` or ``(samples, steps, *shape)``, whole numbers; at most `MOST_GIVEN`.
    real
        What the net is given: the samples that the user gave, as real numbers.
    labels
        Of these samples; ``None`` if none were given.
    said
        How they became whole numbers; a sentence.
    """

    op: Input
    samples: NDArray[np.int64]
    real: NDArray[np.float64]
    labels: NDArray[Any] | None
    said: str


def calibration(net: FloatNet, options: ConvertOptions) -> Calibration:
    """Return the samples that a user gave, as whole numbers.

    Integers are kept: they stand for themselves times ``options.input_scale``, 1 if it is not
    given. Real numbers get a grid, 0..255 or -128..127, whose end is the sample of the largest
    magnitude, or the one that ``input_range`` and ``input_scale`` say.

    Raises
    ------
    UnsupportedError
        There are no samples, or they have another shape, values that are not finite or all equal,
        or labels that do not fit.
    """
    shape = input_shape(net)
    if options.calibrate is None:
        raise UnsupportedError(
            "model cannot be quantised",
            [
                "calibrate is missing: the real values of an activation's levels are taken from "
                "what it does on samples; give some hundred of the training samples, on the "
                "command line --calibrate samples.npy"
            ],
        )
    samples = np.asarray(options.calibrate)
    if faults := list(_faults(samples, shape, net.steps, options)):
        raise UnsupportedError("model cannot be calibrated", faults)
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8)
    op = _input(samples, shape, options)
    labels = options.labels
    if len(samples) > MOST_GIVEN:
        chosen = np.random.default_rng(0).choice(len(samples), MOST_GIVEN, replace=False)
        samples, labels = samples[chosen], None if labels is None else labels[chosen]
    whole, unit = _whole(samples, op), f"one unit stands for {op.scale:g} in the model"
    if samples.dtype.kind == "f":
        said = f"the samples' real numbers are rounded to {op.low}..{op.high}, and {unit}"
        return Calibration(op, whole, samples.astype(np.float64), labels, said)
    said = f"the samples' integers are the input, {op.low}..{op.high}, and {unit}"
    return Calibration(op, whole, np.asarray(whole * op.scale, np.float64), labels, said)


def as_integers(samples: NDArray[Any], op: Input | Graph) -> NDArray[np.int64]:
    """Write samples as a graph's whole numbers: integers as they are, reals rounded half up.

    Parameters
    ----------
    samples
        Of the shapes that the graph takes. Reals are in the source model's units.
    op
        The graph, or its input.

    Raises
    ------
    InputError
        Values are not finite, or more than half a unit outside the input's range.
    """
    op = op.input_op if isinstance(op, Graph) else op
    samples = np.asarray(samples)
    if samples.dtype.kind not in "biuf":
        raise InputError(f"samples have dtype {samples.dtype}; give numbers")
    whole = samples
    if samples.dtype.kind == "f":
        if not np.isfinite(samples).all():
            raise InputError("samples hold values that are not finite; replace them")
        with np.errstate(over="ignore"):
            whole = np.floor(samples.astype(np.float64) / op.scale + 0.5)
    if whole.size and (whole.min() < op.low or whole.max() > op.high):  # before they are cast
        outside = int(((whole < op.low) | (whole > op.high)).sum())
        raise InputError(
            f"{outside} of {whole.size} values of the samples are outside "
            f"{op.low * op.scale:g}..{op.high * op.scale:g}, what the graph's input holds; "
            "scale them as in training, or convert the model again, with samples that have the "
            "largest values or with --input-range and --input-scale"
        )
    return whole.astype(np.int64)


def _faults(
    samples: NDArray[Any], shape: tuple[int, ...], steps: int, options: ConvertOptions
) -> Iterator[str]:
    if samples.shape[1:] not in (shape, (steps, *shape)):
        yield (
            f"calibrate has shape {shown(samples.shape)}; give "
            f"(samples, {', '.join(map(str, shape))})"
            + (f", or (samples, {steps}, {', '.join(map(str, shape))})" if steps > 1 else "")
            + reshaping(samples.shape, shape)
        )
    elif not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).sum())
        yield f"calibrate has {bad} values that are not finite; replace or leave out these samples"
    elif (samples == samples.reshape(-1)[0]).all():
        yield (
            f"calibrate has one value alone, {samples.reshape(-1)[0]}; give samples as the model "
            "was trained with"
        )
    labels = options.labels
    if labels is not None and labels.shape != samples.shape[:1]:
        yield (
            f"labels have shape {shown(labels.shape)}; give one for each of the {len(samples)} "
            "samples of calibrate"
        )


def _input(samples: NDArray[Any], shape: tuple[int, ...], options: ConvertOptions) -> Input:
    """Return the input that holds all samples."""
    reals, lowest, highest = samples.dtype.kind == "f", samples.min(), samples.max()
    limits = options.input_range
    if limits is None and reals:
        limits = UNSIGNED if lowest >= 0 else SIGNED
    elif limits is None:
        limits = _natural_range(samples)
    scale = 1.0 if options.input_scale is None else float(options.input_scale)
    if reals and options.input_scale is None:
        ends = [(lowest, limits[0]), (highest, limits[1])]
        scale = max((float(end) / limit for end, limit in ends if end * limit > 0), default=0.0)
    if not scale > 0:
        raise UnsupportedError(
            "model cannot be calibrated",
            [f"input_range {limits} cannot hold the samples' values; give another"],
        )
    op = Input(shape, *limits, scale)
    if faults := list(op.check([])):
        raise UnsupportedError("input cannot be quantised", faults)
    ends_in_units = _whole(np.array([lowest, highest]), op)
    if ends_in_units[0] == ends_in_units[1]:
        raise UnsupportedError(
            "model cannot be calibrated",
            [f"one unit of the input, {op.scale:g}, is larger than all differences of the samples"],
        )
    return op


def _natural_range(samples: NDArray[Any]) -> tuple[int, int]:
    """Return the narrowest usual range that holds integers."""
    low, high = int(samples.min()), int(samples.max())
    for limits in ((0, 1), UNSIGNED, SIGNED) if samples.dtype.itemsize > 1 else ():
        if limits[0] <= low and high <= limits[1]:
            return limits
    if samples.dtype.itemsize == 1:
        if low >= 0 and high <= 1:
            return 0, 1
        return UNSIGNED if samples.dtype.kind == "u" else SIGNED
    return low, high


def _whole(samples: NDArray[Any], op: Input) -> NDArray[np.int64]:
    """Return the samples as whole numbers that the input holds."""
    try:
        return as_integers(samples, op)
    except InputError as error:
        raise UnsupportedError("model cannot be calibrated", [str(error)]) from None
