"""What numbers the input of a spiking net's graph has, and what is said about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.floats.net import FloatDense, FloatInput, FloatNet, FloatNeurons, FloatNode
from edgespike.quantise.spikes.samples import spiking_input

NET = FloatNet(
    (
        FloatNode("input", FloatInput((3,))),
        FloatNode("fc", FloatDense(np.ones((2, 3)), np.zeros(2)), ("input",)),
        FloatNode("lif", FloatNeurons(np.ones(2), np.ones(2)), ("fc",)),
    ),
    4,
)
REAL = np.random.default_rng(0).random((50, 3))


@pytest.mark.parametrize(
    ("options", "limits", "scale"),
    [
        ({}, (0, 1), 1.0),
        ({"input_range": (-3, 7), "input_scale": 0.25}, (-3, 7), 0.25),
        ({"calibrate": np.eye(3)}, (0, 1), 1.0),
        ({"calibrate": np.eye(3, dtype=bool)}, (0, 1), 1.0),
        ({"calibrate": np.eye(3, dtype=np.uint8) * 200}, (0, 255), 1.0),
        ({"calibrate": np.eye(3) * 5}, (0, 7), 1.0),
        ({"calibrate": np.eye(3, dtype=np.int8) * 3 - 1}, (-4, 3), 1.0),
        ({"calibrate": np.eye(3) - 0.5}, (-1, 1), 0.5),
        ({"calibrate": np.arange(12).reshape(4, 3) / 11}, (0, 11), 1 / 11),
        ({"calibrate": np.array([[0, 0.1, 0.2], [0.3, 0.7, 1]], np.float32)}, (0, 10), 0.1),
        ({"calibrate": REAL}, (0, 15), float(REAL.max()) / 15),
        ({"calibrate": REAL, "input_scale": 0.125}, (0, 8), 0.125),
        ({"calibrate": REAL, "input_range": (0, 100)}, (0, 100), float(REAL.max()) / 100),
        ({"calibrate": REAL - REAL.max()}, (-8, 7), None),
    ],
)
def test_the_input_is_what_options_and_samples_say(
    options: dict[str, Any], limits: tuple[int, int], scale: float | None
) -> None:
    op = spiking_input(NET, ConvertOptions(**options)).op
    assert (op.low, op.high) == limits
    assert scale is None or op.scale == pytest.approx(scale, rel=1e-6)


def test_spikes_are_assumed_and_said() -> None:
    assert "spikes, 0 or 1" in " ".join(spiking_input(NET, ConvertOptions()).said)


def test_the_error_of_a_grid_is_said() -> None:
    found = spiking_input(NET, ConvertOptions(calibrate=REAL))
    assert found.whole is not None
    error = np.abs(found.whole * found.op.scale - REAL)
    assert error.max() <= found.op.scale / 2 + 1e-12
    assert f"by {error.max():.2g} at most" in " ".join(found.said)


def test_samples_on_a_grid_are_kept() -> None:
    samples = np.random.default_rng(0).integers(-5, 9, (40, 3)) / 8
    found = spiking_input(NET, ConvertOptions(calibrate=samples))
    assert found.whole is not None
    np.testing.assert_array_equal(found.whole * found.op.scale, samples)
    assert "changes the samples" not in " ".join(found.said)
