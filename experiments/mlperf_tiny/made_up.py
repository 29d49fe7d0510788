"""A small TFLite file to rehearse with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.converters.tflite.files import File


def made_up_file(folder: Path) -> Path:
    """Write a file of one dense layer with random weights, and return its path."""
    rng = np.random.default_rng(0)
    file = File()
    source, result = file.tensor((1, 12), 0.1, 3), file.tensor((1, 4), 0.3, -5)
    weight, bias = rng.integers(-127, 128, (4, 12)), rng.integers(-500, 501, 4)
    file.conv(source, weight, 0.02, bias, result, "FULLY_CONNECTED")
    path = folder / "made_up.tflite"
    path.write_bytes(file.content([source], [result]))
    return path
