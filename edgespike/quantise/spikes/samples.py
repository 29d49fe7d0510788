"""The input of a spiking net's graph, and samples for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatNet
from edgespike.floats.run import input_shape
from edgespike.graph import Input
from edgespike.quantise.inputs import calibration

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions

UNSIGNED, SIGNED = (0, 15), (-8, 7)
"""The ranges of inputs that were real numbers: 16 levels lose nothing that was measured, and keep
the currents of the first layer within what Loihi and TFLite hold."""

KEPT_LEVELS = 32
"""Most levels of real samples that are kept as they are."""


@dataclass(frozen=True, eq=False)
class SpikingInput:
    """The input of a graph, and the samples that were given for it, if any.

    Parameters
    ----------
    op
        The input.
    whole, real
        The samples as whole numbers, and as the net in real numbers takes them.
    said
        What the input's numbers are; sentences.
    """

    op: Input
    whole: NDArray[np.int64] | None
    real: NDArray[np.float64] | None
    said: tuple[str, ...]


def spiking_input(net: FloatNet, options: ConvertOptions) -> SpikingInput:
    """Return the input that the options and the samples say; spikes, where neither say anything.

    Raises
    ------
    UnsupportedError
        Samples or labels do not fit; see :func:`edgespike.quantise.inputs.calibration`.
    """
    if options.calibrate is None:
        return _without_samples(net, options)
    samples = np.asarray(options.calibrate)
    if samples.dtype.kind == "f" and np.isfinite(samples).all():
        options = _of_reals(samples, options)
    samples = np.asarray(options.calibrate)
    if samples.dtype.kind in "biu" and options.input_range is None:
        options = replace(options, input_range=_around(int(samples.min()), int(samples.max())))
    found = calibration(net, options)
    said = found.said
    error = np.abs(found.samples * found.op.scale - found.real)
    if error.any():
        said += (
            f"; that changes the samples by {np.sqrt((error**2).mean()):.2g} in the root mean "
            f"square, and by {error.max():.2g} at most"
        )
    return SpikingInput(found.op, found.samples, found.real, (said,))


def _of_reals(samples: NDArray[Any], options: ConvertOptions) -> ConvertOptions:
    """Complete the options for real samples.

    Whole ones are integers. Multiples of one step, up to :data:`KEPT_LEVELS` of them, are kept;
    others get 16 levels.
    """
    scale = options.input_scale
    if scale is None and bool((samples == np.rint(samples)).all()):
        return replace(options, calibrate=samples.astype(np.int64))
    if options.input_range is not None:
        return options
    if scale is None and (grid := _grid(samples)) is not None:
        return replace(options, input_range=grid[0], input_scale=grid[1])
    if scale is None:
        return replace(options, input_range=UNSIGNED if samples.min() >= 0 else SIGNED)
    ends = (int(np.floor(end / scale + 0.5)) for end in (samples.min(), samples.max()))
    low, high = ends
    return replace(options, input_range=(min(low, 0), max(high, 0)))


def _around(low: int, high: int) -> tuple[int, int]:
    """Return the range of the fewest bits that holds whole numbers, with a sign if one has."""
    if low >= 0:
        return 0, (1 << max(1, high.bit_length())) - 1
    bits = max((-low - 1).bit_length(), high.bit_length() if high > 0 else 0)
    return -(1 << bits), (1 << bits) - 1


def _grid(samples: NDArray[Any]) -> tuple[tuple[int, int], float] | None:
    """Return the range and step of samples that are few multiples of one step, if they are."""
    values = np.unique(np.append(samples.astype(np.float64), 0.0))
    if len(values) > KEPT_LEVELS:
        return None
    largest = float(np.abs(values).max())
    tolerance = largest * 2.0**-20  # such samples are often computed in float32
    steps = np.diff(values)
    steps = steps[steps > tolerance]
    if not steps.size:
        return None
    count = np.rint(largest / steps.min())
    scale = largest / float(count)
    whole = np.rint(values / scale)
    if (np.abs(values - whole * scale) > tolerance).any() or np.ptp(whole) >= KEPT_LEVELS:
        return None
    return (int(whole.min()), int(whole.max())), scale


def _without_samples(net: FloatNet, options: ConvertOptions) -> SpikingInput:
    low, high = options.input_range or (0, 1)
    op = Input(input_shape(net), low, high, options.input_scale or 1.0)
    if faults := list(op.check([])):
        raise UnsupportedError("input cannot be converted", faults)
    if options.labels is not None:
        raise UnsupportedError(
            "model cannot be quantised", ["labels are given without samples; give calibrate too"]
        )
    if options.input_range is not None:
        return SpikingInput(op, None, None, ())
    said = (
        "the input is taken to be spikes, 0 or 1, since neither input_range nor samples say "
        "otherwise"
    )
    return SpikingInput(op, None, None, (said,))
