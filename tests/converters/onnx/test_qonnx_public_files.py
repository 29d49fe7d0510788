"""Nets of the QONNX model zoo equal qonnx's execution, level by level."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.qonnx import convert_qonnx
from edgespike.converters.onnx.reading import read_onnx
from edgespike.models import shipped_images
from tests.converters.onnx.qonnx_nets import different, samples_for
from tests.public_models import FOLDER

PUBLIC = FOLDER / "qonnx"


@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_1W2A"])
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_small_nets_of_one_bit_weights(name: str, count: int) -> None:
    pytest.importorskip("qonnx")
    path = PUBLIC / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path} is not here; it is in the QONNX model zoo")
    found = convert_qonnx(read_onnx(path), ConvertOptions(name=name))
    assert found.graph.input_op.shape == (1, 28, 28)
    assert [node.op.kind for node in found.graph.nodes].count("threshold") == 4
    assert found.check is not None
    parts = found.check(samples_for(found, 1))
    assert [part.values for part in parts] == [784, 64, 64, 64, 10, 1]
    assert different(found, samples_for(found, count)) == []
    images, _ = shipped_images()
    assert different(found, images[:count].astype(np.int64)) == []
