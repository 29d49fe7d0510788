"""How the factor of a dense layer with one scale is rounded: sums near a half tell it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.converters.tflite.files import ROUNDINGS, File, convert

SCALES = [
    # Of input, weights and output: the last layer of MLPerf Tiny's anomaly detection, and a made-up
    # one. Some of the sums below tell float32 from float64.
    (0.024790890514850616, 0.0195566825568676, 0.36449846625328064),
    (0.01043, 0.00317, 0.24871),
]


def sums_near_halves(step: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return whole numbers next to those that stand for a level and a half."""
    halves = np.floor((np.arange(-125, 125) + 0.5) * step).astype(np.int64)
    return np.asarray((halves[:, None] + np.arange(-6, 8)).ravel())


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("scales", SCALES)
def test_sums_near_a_half(
    scales: tuple[float, float, float], rounding: str, tmp_path: Path
) -> None:
    source, weight, result = scales
    bias = sums_near_halves(result / (source * weight))
    file = File()
    x, y = file.tensor((1, 1), source), file.tensor((1, len(bias)), result)
    file.conv(x, np.zeros((len(bias), 1), np.int64), weight, bias, y, "FULLY_CONNECTED")
    found = convert(file.content([x], [y]), tmp_path, rounding)
    assert found.check is not None
    assert [part.different for part in found.check(np.zeros((1, 1), np.int64))] == [0, 0]
