"""Which rounding ONNX Runtime has, operator by operator, number by number; on x86-64."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.int8.additions import Float32Addition
from edgespike.int8.averages import Float32Mean
from edgespike.int8.net import Stored
from edgespike.int8.rounding import Requantise, Rounding

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "AMD64"}, reason="the kernels are those of x86-64"
)

Array = NDArray[Any]
TYPES = [np.int8, np.uint8]
CHANNELS = 64


def run(
    operator: str, given: Mapping[str, Array], known: Mapping[str, Any], **attributes: int
) -> Array:
    """Run one operator, whose inputs are all that is given and then all that is known."""
    helper = onnx.helper
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for name, x in given.items()
    ]
    constants = [onnx.numpy_helper.from_array(np.asarray(x), name) for name, x in known.items()]
    order = sorted([*given, *known])
    domain = "" if operator == "QLinearConv" else "com.microsoft"
    node = helper.make_node(operator, order, ["y"], domain=domain, **attributes)
    output = helper.make_tensor_value_info("y", inputs[0].type.tensor_type.elem_type, None)
    graph = helper.make_graph([node], "one", inputs, [output], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, dict(given))[0])


def ends(dtype: type[np.integer[Any]]) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("ties", [True, False])
def test_qlinear_conv_rounds_a_float32_product(dtype: type[np.integer[Any]], ties: bool) -> None:
    rng, (low, high) = np.random.default_rng(0), ends(dtype)
    scales = 2.0 ** -rng.integers(5, 9, CHANNELS) if ties else rng.uniform(0.005, 0.03, CHANNELS)
    weights = scales.astype(np.float32)
    bias = 256 * np.arange(CHANNELS) - 8192
    x = np.arange(low, high + 1).astype(dtype)
    source, output = np.float32(0.5), np.float32(0.25 if ties else 0.7)
    zero, zero_out = low + 121, low + 140
    known = {
        "a_x_scale": source,
        "a_x_zero": dtype(zero),
        "b_w": np.ones((CHANNELS, 1, 1, 1), np.int8),
        "b_w_scale": weights,
        "b_w_zero": np.zeros(CHANNELS, np.int8),
        "c_y_scale": output,
        "c_y_zero": dtype(zero_out),
        "d_bias": bias.astype(np.int32),
    }
    found = run("QLinearConv", {"a": x.reshape(1, 1, 16, 16)}, known)
    factor = (source * weights / output).astype(np.float64)
    sums = x.astype(np.int64) - zero + bias[:, None]
    wanted = Requantise(factor, Rounding.FLOAT_EVEN, zero_out, low, high)(sums)
    assert np.array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("dtype", TYPES)
def test_qlinear_add_of_all_pairs(dtype: type[np.integer[Any]]) -> None:
    rng, (low, high) = np.random.default_rng(3), ends(dtype)
    values = np.arange(low, high + 1)
    a, b = np.repeat(values, 256), np.tile(values, 256)
    for number in range(20):
        scales = np.exp(rng.uniform(-3, 1, 3)).astype(np.float32)
        if number % 4 == 0:
            scales = (2.0 ** rng.integers(-2, 3, 3)).astype(np.float32)
        zeros = rng.integers(low, high + 1, 3)
        first, second, total = (
            Stored(float(s), int(z), low, high) for s, z in zip(scales, zeros, strict=True)
        )
        known = {
            "a_scale": scales[0],
            "a_zero": dtype(zeros[0]),
            "b_scale": scales[1],
            "b_zero": dtype(zeros[1]),
            "c_scale": scales[2],
            "c_zero": dtype(zeros[2]),
        }
        found = run("QLinearAdd", {"a": a.astype(dtype), "b": b.astype(dtype)}, known)
        assert np.array_equal(found, Float32Addition(first, second, total, low, high)(a, b))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scale", [0.1, 0.07, 0.313])
@pytest.mark.parametrize("size", [3, 4, 7, 8])
def test_global_average_pools_round_the_mean_of_real_values(
    dtype: type[np.integer[Any]], scale: float, size: int
) -> None:
    rng, (low, high) = np.random.default_rng(4), ends(dtype)
    x = rng.integers(low, high + 1, (2, 128, size, size))
    source = Stored(float(np.float32(0.1)), low + 100, low, high)
    mean = Stored(float(np.float32(scale)), low + 100, low, high)
    known = {
        "b_scale": np.float32(source.scale),
        "b_zero": dtype(source.zero_point),
        "c_scale": np.float32(mean.scale),
        "c_zero": dtype(mean.zero_point),
    }
    found = run("QLinearGlobalAveragePool", {"a": x.astype(dtype)}, known, channels_last=0)
    wanted = Float32Mean(source, mean)(x.sum(axis=(2, 3)), size * size)
    assert np.array_equal(found[..., 0, 0], wanted)
