"""Samples become the whole numbers of a graph's input, or an error that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.errors import InputError, UnsupportedError
from edgespike.floats.net import FloatInput, FloatNet, FloatNode, FloatReadout
from edgespike.graph import Input
from edgespike.quantise.inputs import as_integers, calibration


def net(steps: int = 1) -> FloatNet:
    return FloatNet(
        (FloatNode("x", FloatInput((2,))), FloatNode("y", FloatReadout(), ("x",))), steps
    )


@pytest.mark.parametrize(
    ("samples", "options", "limits", "scale", "whole"),
    [
        (np.array([[0, 7]], np.uint8), {}, (0, 255), 1.0, [[0, 7]]),
        (np.array([[0, 1]], np.uint8), {}, (0, 1), 1.0, [[0, 1]]),
        (np.array([[False, True]]), {}, (0, 1), 1.0, [[0, 1]]),
        (np.array([[0, -7]], np.int8), {"input_scale": 0.5}, (-128, 127), 0.5, [[0, -7]]),
        (np.array([[0, 200]]), {}, (0, 255), 1.0, [[0, 200]]),
        (np.array([[-3, 100]]), {}, (-128, 127), 1.0, [[-3, 100]]),
        (np.array([[-3, 1000]]), {}, (-3, 1000), 1.0, [[-3, 1000]]),
        (np.array([[3, 15]]), {"input_range": (0, 15)}, (0, 15), 1.0, [[3, 15]]),
        (np.array([[0, 51], [255, 3]]) / 255, {}, (0, 255), 1 / 255, [[0, 51], [255, 3]]),
        (np.array([[-254.0, 100]]), {}, (-128, 127), 254 / 128, [[-128, 50]]),
        (np.array([[-1.0, 254]]), {}, (-128, 127), 2.0, [[0, 127]]),
        (np.array([[0.5, 3.0]]), {"input_range": (0, 3)}, (0, 3), 1.0, [[1, 3]]),
        (
            np.array([[0.5, 3.0]], np.float32),
            {"input_range": (0, 15), "input_scale": 0.25},
            (0, 15),
            0.25,
            [[2, 12]],
        ),
    ],
)
def test_samples_become_whole_numbers(
    samples: Any, options: Any, limits: tuple[int, int], scale: float, whole: Any
) -> None:
    found = calibration(net(), ConvertOptions(calibrate=samples, **options))
    assert (found.op.low, found.op.high) == limits
    assert found.op.scale == pytest.approx(scale, rel=1e-15)
    assert found.samples.tolist() == whole
    assert np.array_equal(as_integers(samples, found.op), whole)
    if samples.dtype.kind == "f":
        assert np.array_equal(found.real, samples)
    else:
        assert np.array_equal(found.real, samples * scale)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (None, {}, "calibrate is missing"),
        (np.zeros((3, 3)), {}, "calibrate has shape (3, 3); give (samples, 2)"),
        (np.zeros((3, 5, 2)), {}, "calibrate has shape (3, 5, 2); give (samples, 2)"),
        (np.array([[0.0, np.nan]]), {}, "calibrate has 1 values that are not finite"),
        (np.array([[0.0, np.inf]]), {}, "calibrate has 1 values that are not finite"),
        (np.full((3, 2), 0.5), {}, "calibrate has one value alone, 0.5"),
        (np.full((3, 2), 5), {}, "calibrate has one value alone, 5"),
        (np.array([[0, 9]]), {"input_range": (0, 7)}, "1 of 2 values of the samples are outside"),
        (np.array([[0.0, 9.0]]), {"input_scale": 0.01}, "outside 0..2.55"),
        (np.array([[-1.0, 1.0]]), {"input_range": (0, 7)}, "outside 0..1"),
        (np.array([[-1.0, -0.5]]), {"input_range": (0, 7)}, "input_range (0, 7) cannot hold"),
        (np.array([[0.0, 0.1]]), {"input_scale": 1.0}, "is larger than all differences"),
        (np.array([[0, 1]]), {"labels": np.zeros(3, np.int64)}, "labels have shape (3,)"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples: Any, options: Any, message: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        calibration(net(), ConvertOptions(calibrate=samples, **options))
    assert message in str(caught.value)


def test_samples_of_several_steps() -> None:
    samples = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    found = calibration(net(3), ConvertOptions(calibrate=samples))
    assert found.samples.shape == (2, 3, 2)
    with pytest.raises(UnsupportedError, match=r"or \(samples, 3, 2\)"):
        calibration(net(3), ConvertOptions(calibrate=np.zeros((2, 4, 2))))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.array([[0.0, 3.9]]), "1 of 2 values of the samples are outside 0..3.5"),
        (np.array([[-1, 3]]), "1 of 2 values"),
        (np.array([[np.nan, 3]]), "not finite"),
        (np.array([["a", "b"]]), "give numbers"),
    ],
)
def test_samples_that_a_graph_does_not_hold(samples: Any, message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        as_integers(samples, Input((2,), 0, 7, 0.5))


def test_numbers_beyond_all_integers_are_refused_and_do_not_wrap() -> None:
    for values in (np.full((1, 3), 2**64 - 1, np.uint64), np.full((1, 3), 1e300)):
        with pytest.raises(InputError, match="3 of 3 values of the samples are outside"):
            as_integers(values, Input((3,), -128, 127, 1e-20))


def test_half_a_unit_outside_is_rounded_in() -> None:
    found = as_integers(np.array([[-0.25, 3.7]]), Input((2,), 0, 7, 0.5))
    assert found.tolist() == [[0, 7]]
