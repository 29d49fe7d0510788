"""Patterns of QDQ and QOperator models have ONNX Runtime's numbers, in every stored tensor."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.graph import Conv2d
from tests.converters.onnx.int8_models import (
    MICROSOFT,
    Draft,
    checked,
    converted,
    differing,
)
from tests.converters.onnx.nets import skip_if_newer

Pattern = Callable[[Draft, str], str]
"""From dequantised values to others; an image has 2 channels of 6 x 6."""

IMAGE = (2, 6, 6)

_CPU = Path("/proc/cpuinfo")

PATTERNS: dict[str, Pattern] = {}
"""Those that ONNX Runtime computes in whole numbers, or without rounding."""

IN_FLOATS: dict[str, Pattern] = {}
"""Those that it computes in float32: near a half, it may store a neighbour."""


def pattern(found: Pattern) -> Pattern:
    PATTERNS[found.__name__] = found
    return found


def in_floats(found: Pattern) -> Pattern:
    IN_FLOATS[found.__name__] = found
    return found


def conv(draft: Draft, x: str, outputs: int = 3, *, each: bool = True, **more: Any) -> str:
    return draft.node("Conv", x, draft.weights(outputs, 2, 3, 3, each=each), **more)


@pattern
def conv_of_one_scale(draft: Draft, x: str) -> str:
    return draft.qdq(conv(draft, x, each=False), 0.05, 128)


@pattern
def conv_with_bias_strides_and_dilations(draft: Draft, x: str) -> str:
    weights = draft.weights(3, 2, 3, 3)
    bias = draft.real(draft.constant([100, -2000, 40], "int32"), 0.005 * 0.02, 0, "int32")
    made = draft.node("Conv", x, weights, bias, strides=[2, 1], pads=[1, 0, 2, 3], dilations=[1, 2])
    return draft.qdq(made, 0.05, 100)


@pattern
def depthwise(draft: Draft, x: str) -> str:
    weights = draft.weights(4, 1, 3, 3, each=True)
    return draft.qdq(draft.node("Conv", x, weights, group=2, auto_pad="SAME_UPPER"), 0.03, 90)


@pattern
def same_lower_with_stride(draft: Draft, x: str) -> str:
    return draft.qdq(conv(draft, x, auto_pad="SAME_LOWER", strides=[2, 2]), 0.05, 128)


@pattern
def relu_at_the_zero_point(draft: Draft, x: str) -> str:
    return draft.qdq(draft.node("Relu", conv(draft, x)), 0.03, 0)


@in_floats
def relu_above_the_zero_point(draft: Draft, x: str) -> str:
    return draft.qdq(draft.node("Relu", conv(draft, x)), 0.05, 30)


@in_floats
def relu6_as_clip(draft: Draft, x: str) -> str:
    ends = draft.constant(0.0), draft.constant(6.0)
    return draft.qdq(draft.node("Clip", conv(draft, x), *ends), 0.03, 10)


@pattern
def relu_of_its_own(draft: Draft, x: str) -> str:
    y = draft.qdq(conv(draft, x), 0.05, 128)
    return draft.qdq(draft.node("Relu", y), 0.02, 7)


@pattern
def another_scale(draft: Draft, x: str) -> str:
    return draft.qdq(draft.qdq(conv(draft, x), 0.05, 128), 0.031, 77)


@in_floats
def another_type(draft: Draft, x: str) -> str:
    other = "uint8" if draft.activations == "int8" else "int8"
    scales = draft.scales(0.05, 5, other)
    stored = draft.node("QuantizeLinear", conv(draft, x), *scales)
    y = draft.node("DequantizeLinear", stored, *scales)
    return draft.qdq(draft.node("Conv", y, draft.weights(2, 3, 1, 1)), 0.2, 128)


@pattern
def other_scales_in_a_row(draft: Draft, x: str) -> str:
    """ONNX Runtime's optimiser makes one requantisation of two, if nobody forbids it."""
    return draft.qdq(draft.qdq(x, 0.0271, 127), 0.031, 77)


@pattern
def read_with_another_scale_than_written(draft: Draft, x: str) -> str:
    stored = draft.stored(conv(draft, x), 0.05, 128)
    y = draft.real(stored, 0.07, draft.zero(120), draft.activations)
    return draft.qdq(draft.node("Conv", y, draft.weights(2, 3, 3, 3), pads=[1] * 4), 0.2, 128)


@pattern
def weights_that_are_quantised_in_the_file(draft: Draft, x: str) -> str:
    # Within 64 units: ONNX Runtime saturates pairs of products on processors without VNNI.
    floats = draft.constant(draft.rng.normal(0, 0.3, (3, 2, 3, 3)).clip(-0.6, 0.6))
    scale, zero = np.array([0.03, 0.01, 0.02]), np.zeros(3)
    stored = draft.node(
        "QuantizeLinear", floats, draft.constant(scale), draft.constant(zero, "int8"), axis=0
    )
    return draft.qdq(
        draft.node("Conv", x, draft.real(stored, scale, zero, "int8", axis=0)), 0.05, 128
    )


@pattern
def fewer_bits_than_eight(draft: Draft, x: str) -> str:
    """Brevitas clips what it stores to fewer bits."""
    numbers = draft.constant(draft.rng.normal(0, 0.3, (3, 2, 3, 3)))
    scales = draft.scales(0.05, 0, "int8")
    stored = draft.node("QuantizeLinear", numbers, *scales)
    ends = draft.constant(-7, "int8"), draft.constant(7, "int8")
    weights = draft.node("DequantizeLinear", draft.node("Clip", stored, *ends), *scales)
    made = draft.stored(draft.node("Conv", x, weights), 0.3, 128)
    kind = draft.activations
    ends = draft.constant(draft.zero(121), kind), draft.constant(draft.zero(135), kind)
    return draft.real(draft.node("Clip", made, *ends), 0.3, draft.zero(128), kind)


@in_floats
def uint8_weights(draft: Draft, x: str) -> str:
    weights = draft.constant(draft.numbers(3, 2, 3, 3, kind="uint8"), "uint8")
    return draft.qdq(draft.node("Conv", x, draft.real(weights, 0.004, 117, "uint8")), 0.05, 128)


@in_floats
def real_bias(draft: Draft, x: str) -> str:
    bias = draft.constant([0.12345, -1.77, 0.50005])
    return draft.qdq(draft.node("Conv", x, draft.weights(3, 2, 3, 3), bias), 0.05, 128)


@in_floats
def real_bias_of_coarse_sums(draft: Draft, x: str) -> str:
    """ONNX Runtime rounds the bias to units of the sums, each a twentieth of what is stored."""
    weights = draft.real(draft.constant(draft.numbers(72, 90), "int8"), 0.05, 0, "int8")
    flat = draft.qdq(draft.node("Flatten", x), 0.02, 128)
    made = draft.node("MatMul", flat, weights)
    bias = draft.constant(draft.rng.normal(size=90))
    return draft.qdq(draft.node("Add", made, bias), 0.02, 128)


@pattern
def max_pool(draft: Draft, x: str) -> str:
    pooled = draft.node("MaxPool", x, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])
    return draft.qdq(pooled, 0.02, 128)


@in_floats
def max_pool_of_sums(draft: Draft, x: str) -> str:
    pooled = draft.node("MaxPool", conv(draft, x), kernel_shape=[2, 2])
    return draft.qdq(draft.node("Relu", pooled), 0.05, 0)


@in_floats
def sums_of_several_readers(draft: Draft, x: str) -> str:
    """Scales of a simple ratio, so that many sums are halves."""
    weights = draft.real(draft.constant(draft.numbers(3, 2, 3, 3), "int8"), 0.05, 0, "int8")
    sums = draft.node("Conv", x, weights)
    first = draft.qdq(sums, 0.05, 128)
    return draft.qdq(draft.node("Add", first, draft.qdq(draft.node("Relu", sums), 0.1, 0)), 0.2, 90)


@in_floats
def average_pool(draft: Draft, x: str) -> str:
    pooled = draft.node("AveragePool", x, kernel_shape=[2, 3], strides=[2, 1], pads=[1, 1, 0, 0])
    return draft.qdq(pooled, 0.013, 61)


@in_floats
def average_pool_of_another_scale(draft: Draft, x: str) -> str:
    pooled = draft.node("AveragePool", x, kernel_shape=[2, 2], strides=[1, 2])
    return draft.qdq(draft.qdq(pooled, 0.02, 128), 0.0071, 61)


@in_floats
def average_pool_that_counts_padding(draft: Draft, x: str) -> str:
    pooled = draft.node(
        "AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    )
    return draft.qdq(pooled, 0.013, 61)


@pattern
def global_average_pool(draft: Draft, x: str) -> str:
    return draft.qdq(draft.node("GlobalAveragePool", x), 0.003, 128)


@in_floats
def mean_over_the_image(draft: Draft, x: str) -> str:
    return draft.qdq(draft.node("ReduceMean", x, axes=[2, 3], keepdims=0), 0.003, 128)


@pattern
def pad_then_conv(draft: Draft, x: str) -> str:
    ends = draft.constant([0, 0, 1, 2, 0, 0, 0, 1], "int64")
    return draft.qdq(conv(draft, draft.node("Pad", x, ends)), 0.05, 128)


@pattern
def pad_of_stored_numbers(draft: Draft, x: str) -> str:
    ends = draft.constant([0, 0, 1, 0, 0, 0, 1, 1], "int64")
    stored = draft.stored(conv(draft, x), 0.05, 111)
    zero, kind = draft.zero(111), draft.activations
    padded = draft.node("Pad", stored, ends, draft.constant(zero, kind))
    return draft.real(padded, 0.05, zero, kind)


@pattern
def pad_of_another_shape(draft: Draft, x: str) -> str:
    shaped = draft.node("Reshape", x, draft.constant([0, 3, 4, 6], "int64"))
    ends = draft.constant([0, 0, 1, 2, 0, 0, 0, 1], "int64")
    weights = draft.weights(4, 3, 3, 3)
    return draft.qdq(draft.node("Conv", draft.node("Pad", shaped, ends), weights), 0.05, 128)


@pattern
def sum_of_two_scales(draft: Draft, x: str) -> str:
    other = draft.qdq(conv(draft, x, 2, pads=[1] * 4), 0.05, 93)
    return draft.qdq(draft.node("Add", other, x), 0.0613, 120)


@pattern
def sum_of_turned_images(draft: Draft, x: str) -> str:
    first = draft.node(
        "Transpose", draft.qdq(conv(draft, x, 2, pads=[1] * 4), 0.05, 93), perm=_TURN
    )
    made = draft.qdq(draft.node("Add", first, draft.node("Transpose", x, perm=_TURN)), 0.0613, 120)
    return draft.qdq(conv(draft, draft.node("Transpose", made, perm=[0, 3, 1, 2])), 0.1, 128)


_TURN = [0, 2, 3, 1]


@in_floats
def sum_of_simple_scales(draft: Draft, x: str) -> str:
    first = draft.qdq(conv(draft, x, 2, pads=[1] * 4), 0.01, 129)
    second = draft.qdq(draft.node("Relu", x), 0.04, 175)
    return draft.qdq(draft.node("Add", first, second), 0.1, 202)


@in_floats
def sum_with_relu_above_the_zero_point(draft: Draft, x: str) -> str:
    other = draft.qdq(conv(draft, x, 2, pads=[1] * 4), 0.05, 93)
    return draft.qdq(draft.node("Relu", draft.node("Add", x, other)), 0.06, 20)


@pattern
def branches_of_different_scales(draft: Draft, x: str) -> str:
    other = draft.qdq(conv(draft, x, pads=[1] * 4), 0.05, 93)
    return draft.qdq(draft.node("Concat", other, x, other, axis=1), 0.04, 120)


@pattern
def dense(draft: Draft, x: str) -> str:
    flat = draft.node("Flatten", draft.qdq(conv(draft, x), 0.05, 128))
    weights = draft.weights(5, 48, each=True)
    return draft.qdq(draft.node("Gemm", flat, weights, transB=1), 0.3, 128)


@pattern
def dense_with_turned_weights(draft: Draft, x: str) -> str:
    flat = draft.node("Reshape", x, draft.constant([0, -1], "int64"))
    weights = draft.node("Transpose", draft.weights(5, 72), perm=[1, 0])
    made = draft.node("MatMul", flat, weights)
    return draft.qdq(made, 0.2, 128)


@in_floats
def dense_with_an_added_bias(draft: Draft, x: str) -> str:
    flat = draft.node("Reshape", x, draft.constant([0, -1], "int64"))
    weights = draft.real(draft.constant(draft.numbers(72, 3), "int8"), 0.004, 0, "int8")
    made = draft.node("Add", draft.constant([1.5, -3.3, 0.1]), draft.node("MatMul", flat, weights))
    return draft.qdq(made, 0.2, 128)


@pattern
def sequence(draft: Draft, x: str) -> str:
    rows = draft.node("Reshape", x, draft.constant([0, 6, 12], "int64"))
    made = draft.node("Conv", rows, draft.weights(4, 6, 3), strides=[2], pads=[1, 1])
    pooled = draft.node("MaxPool", draft.qdq(made, 0.05, 128), kernel_shape=[2])
    return draft.qdq(pooled, 0.05, 128)


def build(folder: Path, found: Pattern, kind: str) -> Path:
    """Write a model of a pattern; its input is stored with a zero point."""
    draft = Draft(IMAGE, activations=kind)
    x = draft.qdq("x", 0.02, 128)
    return draft.save(folder, found(draft, x))


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("name", PATTERNS)
def test_pattern(name: str, kind: str, tmp_path: Path) -> None:
    path = build(tmp_path, PATTERNS[name], kind)
    assert not any(differing(path).values())
    assert checked(path) == 0


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("name", IN_FLOATS)
def test_pattern_in_floats(name: str, kind: str, tmp_path: Path) -> None:
    """Nothing differs but by one, where the real result is near a half; the report says so."""
    path = build(tmp_path, IN_FLOATS[name], kind)
    assert checked(path, 100) == 0
    expected = (name, kind) != ("uint8_weights", "uint8")
    assert any("near a half" in each for each in converted(path).said) == expected


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_stored_input(kind: str, tmp_path: Path) -> None:
    """A model that takes stored numbers gets them."""
    draft = Draft(IMAGE, kind)
    x = draft.real("x", 0.02, 3, kind)
    path = draft.save(tmp_path, draft.qdq(conv(draft, x), 0.05, 128))
    found = converted(path)
    low = 0 if kind == "uint8" else -128
    assert (found.graph.input_op.low, found.graph.input_op.high) == (low - 3, low + 255 - 3)
    assert found.graph.input_op.scale == np.float32(0.02)
    assert not any(differing(path).values())


@pytest.mark.parametrize("opset", [10, 11, 13, 18, 19, 21, 22, 23, 24])
def test_versions_of_operators(opset: int, tmp_path: Path) -> None:
    """Limits, axes and pads are attributes in older versions and inputs in newer ones."""
    skip_if_newer(opset, than=22)
    draft = Draft(IMAGE, opset=opset)
    x = draft.qdq("x", 0.02, 128)
    ends = [0, 0, 1, 2, 0, 0, 0, 1]
    weights = draft.node(
        "DequantizeLinear",
        draft.constant(draft.numbers(3, 2, 3, 3), "int8"),
        *draft.scales(0.005, 0, "int8"),
    )
    if opset < 11:
        padded = draft.node("Pad", x, pads=ends)
        clipped = draft.node("Clip", draft.node("Conv", padded, weights), min=0.0)
    else:
        padded = draft.node("Pad", x, draft.constant(ends, "int64"))
        clipped = draft.node("Clip", draft.node("Conv", padded, weights), draft.constant(0.0))
    y = draft.qdq(clipped, 0.03, 0)
    axes = [2, 3]
    if opset < 18:
        mean = draft.node("ReduceMean", y, axes=axes)
    else:
        mean = draft.node("ReduceMean", y, draft.constant(axes, "int64"))
    y = draft.qdq(mean, 0.002, 0)
    if opset < 13:
        y = draft.node("Squeeze", y, axes=axes)
    else:
        y = draft.node("Squeeze", y, draft.constant(axes, "int64"))
    weights = draft.real(draft.constant(draft.numbers(3, 4), "int8"), 0.004, 0, "int8")
    path = draft.save(tmp_path, draft.qdq(draft.node("MatMul", y, weights), 0.01, 128))
    assert checked(path) == 0


@pytest.mark.parametrize(("largest", "said"), [(64, False), (65, True)])
def test_pairs_that_exceed_sixteen_bits(largest: int, said: bool, tmp_path: Path) -> None:
    """2 * 255 * 64 is below 32,767, and 2 * 255 * 65 above."""
    draft = Draft(IMAGE)
    numbers = draft.constant(np.full((3, 2, 3, 3), largest), "int8")
    weights = draft.real(numbers, 0.005, 0, "int8")
    made = draft.qdq(draft.node("Conv", draft.qdq("x", 0.02, 3), weights), 0.2, 128)
    found = converted(draft.save(tmp_path, made))
    assert any("without VNNI" in each and "Conv_" in each for each in found.said) == said


@pytest.mark.skipif(
    not re.search("avx512_vnni|avx_vnni", _CPU.read_text() if _CPU.exists() else ""),
    reason="without VNNI, ONNX Runtime adds pairs of products in 16 bits, which saturate",
)
def test_weights_of_all_eight_bits(tmp_path: Path) -> None:
    draft = Draft(IMAGE)
    numbers = draft.rng.choice([-128, -127, 127], (3, 2, 3, 3))
    weights = draft.real(draft.constant(numbers, "int8"), 0.005, 0, "int8")
    made = draft.node("Conv", draft.qdq("x", 0.02, 3), weights)
    assert not any(differing(draft.save(tmp_path, draft.qdq(made, 0.2, 128))).values())


def channels_last(folder: Path) -> Path:
    """Write what tf2onnx makes of a Keras net: channels last outside, first inside."""
    draft = Draft((6, 8, 2))
    x = draft.node("Transpose", draft.qdq("x", 0.02, 128), perm=[0, 3, 1, 2])
    made = draft.qdq(draft.node("Relu", conv(draft, x, pads=[1] * 4)), 0.03, 0)
    pooled = draft.qdq(draft.node("MaxPool", made, kernel_shape=[2, 2], strides=[2, 2]), 0.03, 0)
    last = draft.node("Transpose", pooled, perm=[0, 2, 3, 1])
    flat = draft.node("Reshape", last, draft.constant([-1, 36], "int64"))
    weights = draft.real(draft.constant(draft.numbers(36, 4), "int8"), 0.005, 0, "int8")
    made = draft.qdq(draft.node("MatMul", flat, weights), 0.3, 128)
    return draft.save(folder, draft.node("Softmax", made))


def test_a_quantiser_for_each_reader(tmp_path: Path) -> None:
    """A value that is stored twice in the same way is computed once."""
    draft = Draft(IMAGE)
    sums = conv(draft, draft.qdq("x", 0.02, 128))
    first = draft.node("Conv", draft.qdq(sums, 0.05, 128), draft.weights(2, 3, 1, 1))
    second = draft.node("Conv", draft.qdq(sums, 0.05, 128), draft.weights(2, 3, 1, 1))
    both = draft.node("Add", draft.qdq(first, 0.03, 128), draft.qdq(second, 0.041, 128))
    path = draft.save(tmp_path, draft.qdq(both, 0.05, 128))
    kernels = [node.op.weight.shape for node in converted(path).graph.nodes
               if isinstance(node.op, Conv2d)]  # fmt: skip
    assert kernels.count((3, 2, 3, 3)) == 1
    assert checked(path) == 0


@pytest.mark.parametrize("ending", ["Softmax", "LogSoftmax", "Sigmoid", "ArgMax"])
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "sums"])
def test_endings(ending: str, stored: bool, tmp_path: Path) -> None:
    """What ends a net is left out, whether its argument is stored or not."""
    draft = Draft((7,))
    last = draft.node("Gemm", draft.qdq("x", 0.02, 128), draft.weights(4, 7), transB=1)
    if stored:
        last = draft.qdq(last, 0.01, 128)
    more: dict[str, Any] = {} if ending == "Sigmoid" else {"axis": 1}
    path = draft.save(tmp_path, draft.node(ending, last, **more))
    assert any(ending in each for each in converted(path).said)
    assert checked(path) == 0


def test_the_graph_says_whose_arithmetic_it_has(tmp_path: Path) -> None:
    draft = Draft((7,))
    last = draft.node("Gemm", draft.qdq("x", 0.02, 128), draft.weights(4, 7), transB=1)
    graph = converted(draft.save(tmp_path, draft.qdq(last, 0.01, 128))).graph
    assert graph.origin == (
        "an ONNX file of 8-bit numbers, computed as ONNX Runtime's integer kernels do"
    )


def test_channels_last(tmp_path: Path) -> None:
    """Images are turned once, at the input; columns of the dense layer follow."""
    path = channels_last(tmp_path)
    found = converted(path)
    assert found.graph.input_op.shape == (2, 6, 8)
    assert not any(differing(path).values())
    assert any("Softmax" in each for each in found.said)


@pytest.mark.parametrize("bias", ["stored", "real", "none"])
def test_answers_that_nothing_stores(bias: str, tmp_path: Path) -> None:
    """The readout has the sums of the last layer, with a scale for each class."""
    draft = Draft((7,))
    x = draft.qdq("x", 0.02, 128)
    scale = np.array([0.002, 0.005, 0.001, 0.007], np.float32)
    unit = scale * np.float32(0.02)
    numbers = draft.constant(draft.numbers(4, 7), "int8")
    weights = draft.real(numbers, scale, [0] * 4, "int8", axis=0)
    biases = {
        "none": [],
        "real": [draft.constant([0.1, -0.2, 0.3001, 0])],
        "stored": [
            draft.real(draft.constant([5, 6, -900, 0], "int32"), unit, [0] * 4, "int32", axis=0)
        ],
    }
    path = draft.save(tmp_path, draft.node("Gemm", x, weights, *biases[bias], transB=1))
    found = converted(path)
    assert len(set(found.graph.readout_op.scale)) == 4
    assert any("rounded to units" in each for each in found.said) == (bias == "real")
    assert checked(path) == 0


def test_four_bits(tmp_path: Path) -> None:
    """Weights of 4 bits are whole numbers as any others (opset 21)."""
    import ml_dtypes

    draft = Draft(IMAGE, opset=21)
    x = draft.qdq("x", 0.02, 128)
    numbers = draft.rng.integers(-8, 8, (3, 2, 3, 3)).astype(ml_dtypes.int4)
    name = draft.constant(numbers, ml_dtypes.int4)
    weights = draft.real(name, [0.1, 0.2, 0.3], [0, 1, -2], ml_dtypes.int4, axis=0)
    path = draft.save(tmp_path, draft.qdq(draft.node("Conv", x, weights), 0.5, 128))
    assert checked(path) == 0


def qoperator(folder: Path, kind: str, *, each: bool) -> Path:
    """Write a net of ONNX Runtime's and ONNX's own operators of stored numbers."""
    draft = Draft((2, 7, 7))
    zero = 128 if kind == "uint8" else 0
    first, second, third = (
        draft.scales(scale, zero + off, kind) for scale, off in ((0.02, 0), (0.05, 7), (0.04, -9))
    )
    x = draft.node("QuantizeLinear", "x", *first)
    scale = draft.rng.uniform(0.002, 0.01, 3) if each else np.array(0.004)
    weights = (
        draft.constant(draft.numbers(3, 2, 3, 3), "int8"),
        *draft.scales(scale, np.zeros(scale.shape), "int8"),
    )
    bias = draft.constant([500, -3000, 17], "int32")
    y = draft.node("QLinearConv", x, *first, *weights, *second, bias, pads=[1, 1, 1, 1])
    weights = (draft.constant(draft.numbers(3, 3, 1, 1), "int8"), *draft.scales(0.005, 0, "int8"))
    z = draft.node("QLinearConv", y, *second, *weights, *third)
    y = draft.node("QLinearAdd", y, *second, z, *third, *second, domain=MICROSOFT)
    joined = draft.node("QLinearConcat", *third, y, *second, z, *third, domain=MICROSOFT, axis=1)
    pooled = draft.node("MaxPool", joined, kernel_shape=[2, 2], strides=[2, 2])
    mean = draft.node("QLinearGlobalAveragePool", pooled, *third, *second, domain=MICROSOFT)
    flat = draft.node("Flatten", mean)
    scale = draft.rng.uniform(0.002, 0.01, 5) if each else np.array(0.004)
    weights = (
        draft.constant(draft.numbers(5, 6), "int8"),
        *draft.scales(scale, np.zeros(scale.shape), "int8"),
    )
    bias = draft.constant(draft.rng.integers(-900, 900, 5), "int32")
    hidden = draft.node("QGemm", flat, *second, *weights, bias, *third, domain=MICROSOFT, transB=1)
    weights = (draft.constant(draft.numbers(5, 4), "int8"), *draft.scales(0.01, 0, "int8"))
    last = draft.node("QLinearMatMul", hidden, *third, *weights, *second)
    return draft.save(folder, draft.node("DequantizeLinear", last, *second))


@pytest.mark.parametrize("each", [False, True], ids=["one scale", "a scale for each output"])
@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("optimised", [False, True], ids=["as written", "optimised"])
def test_qoperator(kind: str, optimised: bool, each: bool, tmp_path: Path) -> None:
    path = qoperator(tmp_path, kind, each=each)
    assert not any(differing(path, 100, optimised=optimised).values())
    assert checked(path) == 0


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_qlinear_average_pool(kind: str, tmp_path: Path) -> None:
    """Windows at the border hold fewer numbers; nothing differs but near a half."""
    draft = Draft(IMAGE)
    first, second = draft.scales(0.02, 3, kind), draft.scales(0.0131, 93, kind)
    x = draft.node("QuantizeLinear", "x", *first)
    pooled = draft.node(
        "QLinearAveragePool",
        x,
        *first,
        *second,
        domain=MICROSOFT,
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
    )
    path = draft.save(tmp_path, draft.node("DequantizeLinear", pooled, *second))
    assert checked(path, 100) == 0
