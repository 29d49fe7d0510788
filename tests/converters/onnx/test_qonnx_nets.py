"""Nets of each operator equal qonnx's execution: every level, sum and class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.converters.onnx.qonnx.rounding import MODES
from tests.converters.onnx.qonnx_nets import (
    BREVITAS,
    DOMAINS,
    Net,
    agrees,
    converted,
    different,
    kinds,
    samples_for,
    thresholds_of,
)

pytest.importorskip("qonnx")


def weights(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    """Draw multiples of 1/8 in -1..1."""
    return np.random.default_rng(seed).integers(-8, 8, shape, endpoint=True) / 8


def ended(net: Net, x: str, features: int) -> str:
    """End a net in a dense layer of three classes."""
    flat = net.reshape(x, 1, features)
    return net.node("MatMul", flat, net.quant(weights(features, 3, seed=9), 0.25))


def dense(net: Net, x: str, inputs: int, outputs: int, seed: int = 0) -> str:
    return net.node("MatMul", x, net.quant(weights(inputs, outputs, seed=seed), 0.25))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
def test_rounding_modes(tmp_path: Path, mode: str, op: str) -> None:
    net = Net(12)
    x = net.quant("x", 0.5, bits=6)
    x = net.quant(dense(net, x, 12, 20), 0.5, bits=4, mode=mode, op=op)
    agrees(tmp_path, net, ended(net, x, 20), 20)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(
    ("bits", "signed", "narrow"),
    [(1, 1, 0), (1, 0, 0), (2, 1, 1), (2, 1, 0), (2, 0, 0), (2, 0, 1), (3, 1, 1), (8, 0, 0)],
)
def test_bits_and_domains(tmp_path: Path, domain: str, bits: int, signed: int, narrow: int) -> None:
    net = Net(12, domain=domain)
    x = net.quant("x", 0.5, bits=6)
    x = net.quant(dense(net, x, 12, 20), 0.5, bits=bits, signed=signed, narrow=narrow)
    agrees(tmp_path, net, ended(net, x, 20), 20)


@pytest.mark.parametrize("zero", [0.0, 3.0, -2.0, 0.5, 1.25])
@pytest.mark.parametrize("bits", [1, 4])
def test_zero_points(tmp_path: Path, zero: float, bits: int) -> None:
    net = Net(12)
    x = net.quant("x", 0.5, bits=6)
    x = net.quant(dense(net, x, 12, 20), 0.5, zero, bits)
    agrees(tmp_path, net, ended(net, x, 20), 20)


def test_scales_of_each_channel(tmp_path: Path) -> None:
    """Weights have one for each output; levels may, where one unit divides them."""
    net = Net(12)
    x = net.quant("x", 0.5, bits=6)
    scales = 2.0 ** np.arange(-4, 1)
    by_output = np.tile(scales, 4)[None]
    x = net.node("MatMul", x, net.quant(weights(12, 20), by_output))
    x = net.quant(x, by_output[:, ::-1], bits=5)
    agrees(tmp_path, net, ended(net, x, 20), 20)


def test_bipolar_weights_and_levels(tmp_path: Path) -> None:
    net = Net(12, domain=BREVITAS)
    x = net.bipolar(net.node("Sub", "x", 0.5), 0.5)
    kernel = net.node("Transpose", net.bipolar(weights(20, 12), 2.0), perm=[1, 0])
    x = net.bipolar(net.norm(net.node("MatMul", x, kernel), 20, np.random.default_rng(1)))
    found = agrees(tmp_path, net, ended(net, x, 20), 20)
    assert [op.offset for op in thresholds_of(found)] == [-1, -1]


def test_pixels_follow_the_float32_arithmetic_of_the_file(tmp_path: Path) -> None:
    """3 x (1/3 of the pixels) - 1 is near 0 where float32 decides."""
    net = Net(1, 16, 16)
    x = net.node("Sub", net.node("Mul", "x", 3.0), 1.0)
    x = net.node("Div", net.node("Mul", x, 0.3), 0.7)
    x = net.quant(x, 0.1, bits=5)
    found = converted(tmp_path, net, ended(net, x, 256))
    assert different(found, np.arange(256).reshape(1, 1, 16, 16)) == []
    assert found.graph.input_op.high == 255
    assert "8-bit pixels" in found.said[0]


def test_pixels_that_are_given(tmp_path: Path) -> None:
    net = Net(12)
    x = net.quant("x", 0.25, bits=4)
    found = agrees(tmp_path, net, ended(net, x, 12), input_range=(-7, 9), input_scale=0.3)
    assert (found.graph.input_op.low, found.graph.input_op.high) == (-7, 9)
    assert "as given" in found.said[0]


def test_an_input_with_a_quantiser_is_its_levels(tmp_path: Path) -> None:
    net = Net(12)
    x = net.quant("x", 0.1, 3.0, bits=4, signed=0)
    found = agrees(tmp_path, net, ended(net, x, 12))
    assert (found.graph.input_op.low, found.graph.input_op.high) == (-3, 12)
    assert kinds(found) == ["input", "dense", "readout"]


def test_normalisation_as_one_node_and_as_arithmetic(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    net = Net(12)
    x = net.norm(dense(net, net.quant("x", 0.5), 12, 20), 20, rng)
    x = net.quant(x, 0.25, bits=3)
    x = dense(net, x, 20, 8)
    x = net.node("Sub", x, rng.normal(size=8))
    x = net.node("Div", x, np.float32(1.7))
    x = net.node("Mul", rng.normal(size=8), x)
    x = net.node("Add", x, rng.normal(size=8))
    x = net.node("Sub", 0.25, net.node("Neg", x))
    x = net.quant(x, 0.25, bits=3)
    found = agrees(tmp_path, net, ended(net, x, 8), 50)
    assert [op.flipped.any() for op in thresholds_of(found)] == [True, True]


def test_normalisation_between_a_relu_and_a_quantiser(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    net = Net(12)
    x = net.node("Relu", net.norm(dense(net, net.quant("x", 0.5), 12, 20), 20, rng))
    x = net.node("Clip", net.node("Mul", x, rng.normal(size=20)), -1.0, 2.0)
    x = net.quant(x, 0.25, bits=4)
    agrees(tmp_path, net, ended(net, x, 20), 50)


@pytest.mark.parametrize("signed", [0, 1])
def test_relu_before_and_after_a_quantiser(tmp_path: Path, signed: int) -> None:
    net = Net(12)
    x = net.node("Relu", dense(net, net.quant("x", 0.5), 12, 20))
    x = dense(net, net.quant(x, 0.5, bits=3, signed=signed), 20, 20)
    x = net.node("Relu", net.quant(x, 0.5, bits=4))
    x = net.node("Clip", net.quant(dense(net, x, 20, 20), 0.5, bits=4), 0.0, 3.0)
    agrees(tmp_path, net, ended(net, x, 20), 20)


def conv(net: Net, x: str, inputs: int, outputs: int, size: int = 3, **attributes: Any) -> str:
    kernel = net.quant(weights(outputs, inputs, size, size), 0.25)
    return net.node("Conv", x, kernel, **attributes)


@pytest.mark.parametrize("zero", [0.0, 2.0, 0.5])
def test_padded_convolutions_of_signed_levels(tmp_path: Path, zero: float) -> None:
    net = Net(2, 6, 6)
    x = net.quant("x", 0.25, zero, bits=4)
    x = net.quant(conv(net, x, 2, 4, pads=[1, 1, 1, 1]), 0.5, zero, bits=3)
    x = net.bipolar(conv(net, x, 4, 4, strides=[2, 2], auto_pad="SAME_UPPER"))
    x = net.quant(conv(net, x, 4, 4, pads=[0, 1, 2, 1], dilations=[2, 1]), 0.5, bits=3)
    agrees(tmp_path, net, ended(net, x, 12), 10)


def test_groups_bias_and_rows(tmp_path: Path) -> None:
    net = Net(4, 9)
    x = net.quant("x", 0.25)
    kernel = net.quant(weights(8, 2, 3), 0.25)
    bias = net.quant(weights(8, seed=4), 0.0625, bits=8)
    x = net.node("Conv", x, kernel, bias, group=2, pads=[1, 1])
    x = net.node("MaxPool", net.quant(x, 0.25), kernel_shape=[3], strides=[3])
    agrees(tmp_path, net, ended(net, x, 24), 20)


def test_a_convolution_without_padding_takes_an_offset_into_its_sums(tmp_path: Path) -> None:
    """Thresholds whose levels no whole number of parts makes 0."""
    net = Net(2, 5, 5)
    x = net.thresholds("x", [[0.1, 0.2, 0.6]], out_scale=0.3123, out_bias=-0.7077)
    x = net.quant(conv(net, x, 2, 4), 0.5)
    x = net.quant(conv(net, x, 4, 4), 0.5)
    agrees(tmp_path, net, ended(net, x, 4), 20)


@pytest.mark.parametrize("opset", [7, 11, 13, 21])
@pytest.mark.parametrize("where", ["after", "before"])
def test_max_pools(tmp_path: Path, where: str, opset: int) -> None:
    rng = np.random.default_rng(5)
    net = Net(2, 8, 8, opset=opset)
    x = conv(net, net.quant("x", 0.25), 2, 4, pads=[1, 1, 1, 1])
    pool: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 0]}
    x = net.norm(x, 4, rng)
    if where == "before":
        x = net.quant(net.node("MaxPool", x, **pool), 0.5, bits=3)
    else:
        x = net.node("MaxPool", net.quant(x, 0.5, bits=3), **pool)
    x = net.quant(conv(net, x, 4, 4, pads=[1, 1, 1, 1]), 0.5)
    agrees(tmp_path, net, ended(net, x, 64), 10)


def test_two_max_pools_in_a_row_before_a_quantiser(tmp_path: Path) -> None:
    net = Net(2, 7, 7)
    x = conv(net, net.quant("x", 0.25), 2, 4, pads=[1, 1, 1, 1])
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    agrees(tmp_path, net, ended(net, net.quant(x, 0.5), 16), 10)


def test_a_max_pool_of_levels_that_something_else_takes_too(tmp_path: Path) -> None:
    net = Net(2, 4, 4)
    x = net.quant(conv(net, net.quant("x", 0.25), 2, 4, pads=[1, 1, 1, 1]), 0.5, bits=3)
    pooled = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    x = net.quant(net.node("Add", x, pooled), 0.5, bits=3)
    agrees(tmp_path, net, ended(net, x, 64), 10)


@pytest.mark.parametrize("how", ["GlobalAveragePool", "AveragePool", "ReduceMean", "padded"])
def test_average_pools_before_a_quantiser(tmp_path: Path, how: str) -> None:
    net = Net(2, 4, 4)
    x = net.quant(conv(net, net.quant("x", 0.25), 2, 4, pads=[1, 1, 1, 1]), 0.5, bits=3)
    match how:
        case "GlobalAveragePool":
            x = net.node(how, x)
        case "ReduceMean":
            x = net.node(how, x, axes=[2, 3], keepdims=0)
        case "AveragePool":
            x = net.node(how, x, kernel_shape=[4, 4])
        case _:
            pads: dict[str, Any] = {"pads": [1, 1, 1, 1], "count_include_pad": 1}
            x = net.node("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4], **pads)
    x = net.quant(x, 0.125, bits=4)
    agrees(tmp_path, net, ended(net, x, 4), 20)


def test_the_mean_of_sums(tmp_path: Path) -> None:
    net = Net(2, 4, 4)
    x = net.node("GlobalAveragePool", conv(net, net.quant("x", 0.25), 2, 4))
    agrees(tmp_path, net, ended(net, net.quant(x, 0.125, bits=4), 4), 20)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", [1, 2])
def test_trunc_of_a_sum(tmp_path: Path, version: int, mode: str) -> None:
    """As Brevitas writes an average: the sum of the window, and fewer bits of it."""
    net = Net(2, 4, 4, version=version)
    x = net.quant(conv(net, net.quant("x", 0.25), 2, 4, pads=[1, 1, 1, 1]), 0.5, bits=4)
    x = net.node("Mul", net.node("AveragePool", x, kernel_shape=[4, 4]), 16.0)
    x = (
        net.trunc(x, 0.5, 0.0, 8.0, 4.0, mode=mode)
        if version == 1
        else net.trunc(x, 0.5, 0.0, 8.0, 8.0, 4.0, mode=mode, signed=1, narrow=1)
    )
    agrees(tmp_path, net, ended(net, x, 4), 20)


@pytest.mark.parametrize("version", [1, 2])
def test_trunc_with_a_zero_point(tmp_path: Path, version: int) -> None:
    net = Net(12, version=version)
    x = dense(net, net.quant("x", 0.5), 12, 20)
    constants = [0.25, 3.0, 8.0, 4.0] if version == 1 else [0.25, 3.0, 8.0, 2.0, 4.0]
    agrees(tmp_path, net, ended(net, net.trunc(x, *constants, mode="ROUND"), 20), 20)


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (1.0, -2.0), (2.0, -3.0), (0.5, 0.25)])
@pytest.mark.parametrize("rows", [1, 20])
def test_multi_thresholds(tmp_path: Path, scale: float, bias: float, rows: int) -> None:
    """Thresholds count, whatever their order, and whole weights need no quantiser."""
    rng = np.random.default_rng(6)
    net = Net(12)
    x = net.node("MatMul", net.quant("x", 1.0), rng.integers(-3, 4, (12, 20)))
    x = net.thresholds(x, rng.integers(-20, 20, (rows, 3)) + 0.5, out_scale=scale, out_bias=bias)
    agrees(tmp_path, net, ended(net, x, 20), 20)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", ""])
def test_multi_thresholds_in_layouts(tmp_path: Path, layout: str) -> None:
    rng = np.random.default_rng(7)
    net = Net(2, 4, 4)
    x = conv(net, net.quant("x", 1.0), 2, 4)
    if layout == "NHWC":
        x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    theta = np.sort(rng.integers(-20, 20, (4, 3)), axis=1)
    x = net.thresholds(x, theta, **({"data_layout": layout} if layout else {}))
    agrees(tmp_path, net, ended(net, x, 16), 20)


def test_channels_last_as_finn_writes_them(tmp_path: Path) -> None:
    """The input, arithmetic, 1 x 1 convolutions as matrix products, and flattening."""
    net = Net(4, 5, 3)
    x = net.quant(net.node("Transpose", "x", perm=[0, 3, 1, 2]), 0.25)
    x = net.node("Transpose", conv(net, x, 3, 4), perm=[0, 2, 3, 1])
    x = net.thresholds(net.node("Mul", x, [1.0, -1.0, 0.5, 2.0]), [[0.0, 1.0]], data_layout="NHWC")
    x = net.node("MatMul", x, net.quant(weights(4, 6), 0.25))
    x = net.quant(net.node("Add", x, weights(6, seed=3)), 0.25)
    found = agrees(tmp_path, net, ended(net, x, 36), 10)
    assert found.graph.input_op.shape == (3, 4, 5)
    assert any("channels last" in sentence for sentence in found.said)


def residual(net: Net, first: float, second: float) -> tuple[str, str]:
    x = net.quant("x", 0.5)
    return (
        net.quant(dense(net, x, 12, 20), first, bits=4),
        net.quant(dense(net, x, 12, 20, seed=1), second, bits=4),
    )


@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.5, 0.25), (0.75, 0.5)])
@pytest.mark.parametrize("op", ["Add", "Sub"])
def test_two_branches(tmp_path: Path, scales: tuple[float, float], op: str) -> None:
    net = Net(12)
    x = net.quant(net.node(op, *residual(net, *scales)), 0.5, bits=4)
    found = agrees(tmp_path, net, ended(net, x, 20), 20)
    plain = op == "Add" and scales == (0.5, 0.5)
    assert ("conv2d" in kinds(found)) == (not plain)


def test_two_branches_of_one_scale_need_no_quantiser(tmp_path: Path) -> None:
    net = Net(12)
    agrees(tmp_path, net, ended(net, net.node("Add", *residual(net, 0.5, 0.5)), 20), 20)


def test_sums_are_added_to_sums_and_to_levels(tmp_path: Path) -> None:
    net = Net(2, 4, 4)
    start = net.quant("x", 0.25)
    x = conv(net, start, 2, 2, pads=[1, 1, 1, 1])
    y = net.node("Mul", conv(net, start, 2, 2, size=1), 0.5)
    x = net.node("Add", net.node("Add", x, y), start)
    agrees(tmp_path, net, ended(net, net.quant(x, 0.5), 32), 10)


def test_channels_side_by_side(tmp_path: Path) -> None:
    net = Net(2, 4, 4)
    start = net.quant("x", 0.25)
    x = net.quant(conv(net, start, 2, 3, pads=[1, 1, 1, 1]), 0.5)
    y = net.quant(conv(net, start, 2, 2, size=1), 0.5)
    x = net.node("Concat", x, y, axis=1)
    x = net.quant(conv(net, x, 5, 4), 0.5)
    agrees(tmp_path, net, ended(net, x, 16), 10)


def test_gemm_with_a_bias_in_units_of_the_sums_is_exact(tmp_path: Path) -> None:
    net = Net(12)
    x = net.quant(dense(net, net.quant("x", 0.5), 12, 8), 0.5)
    kernel = net.quant(weights(3, 8), 0.125)
    bias = net.quant(weights(3, seed=2), 0.0625, bits=16)
    logits = net.node("Gemm", x, kernel, bias, transB=1, alpha=2.0, beta=0.5)
    found = agrees(tmp_path, net, logits, 20)
    assert not any("rounded" in sentence for sentence in found.said)


@pytest.mark.parametrize("end", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_what_does_not_move_the_class_is_left_out(tmp_path: Path, end: str) -> None:
    net = Net(12)
    logits = ended(net, net.quant("x", 0.5), 12)
    found = agrees(tmp_path, net, net.node(end, logits))
    assert any(f"a {end}, is left out" in sentence for sentence in found.said)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_the_number_of_the_largest_is_left_out(tmp_path: Path, keepdims: int) -> None:
    net = Net(12)
    probable = net.node("Softmax", ended(net, net.quant("x", 0.5), 12))
    agrees(tmp_path, net, net.node("ArgMax", probable, axis=1, keepdims=keepdims))


@pytest.mark.parametrize("output", [0, 1])
def test_the_largest_are_left_out(tmp_path: Path, output: int) -> None:
    net = Net(12)
    logits = ended(net, net.quant("x", 0.5), 12)
    net.node("TopK", logits, net.constant([2], np.int64))
    net.nodes[-1].output[:] = ["values", "indices"]
    agrees(tmp_path, net, ("values", "indices")[output])


def test_a_net_that_ends_in_levels(tmp_path: Path) -> None:
    net = Net(12)
    x = net.quant(dense(net, net.quant("x", 0.5), 12, 5), 0.5, bits=3)
    assert kinds(agrees(tmp_path, net, x, 20))[-2:] == ["dense", "readout"]


def test_the_answer_of_normalised_sums(tmp_path: Path) -> None:
    """Some gammas are negative, and each class has a scale of its own."""
    rng = np.random.default_rng(8)
    net = Net(12)
    x = dense(net, net.quant("x", 0.5), 12, 5)
    x = net.node(
        "BatchNormalization", x, [1.0, -2.0, 0.5, -0.25, 3.0], rng.normal(size=5),
        rng.normal(size=5), rng.uniform(1, 3, 5),
    )  # fmt: skip
    found = converted(tmp_path, net, x)
    assert different(found, samples_for(found, 30)) == []
    assert any("rounded to 1/256 of a unit" in sentence for sentence in found.said)
