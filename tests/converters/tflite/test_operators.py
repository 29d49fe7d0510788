"""Every operator, with every rounding, computes what its runtime computes: number by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.converters.tflite import agreement
from edgespike.converters.tflite.schema import Activation, Padding
from edgespike.errors import UnsupportedError
from edgespike.int8.rounding import FixedPoint
from tests.converters.tflite.files import ROUNDINGS, File, convert, differences, equal

NONE, RELU, RELU6 = Activation.NONE, Activation.RELU, Activation.RELU6
FUSED = (NONE, RELU, RELU6, Activation.RELU_N1_TO_1)
SAME, VALID = Padding.SAME, Padding.VALID

OFFSETS = (-24, -12, -4, 0, 4, 12, 24)
"""How far sums are from a half, in units of a sum."""

Draw = np.random.Generator

pytestmark = [pytest.mark.parametrize("rounding", ROUNDINGS)]


@pytest.fixture
def draw() -> Draw:
    return np.random.default_rng(7)


def weights(draw: Draw, *shape: int) -> NDArray[Any]:
    return draw.integers(-127, 128, shape)


def biases(draw: Draw, count: int) -> NDArray[Any]:
    return draw.integers(-3000, 3000, count)


def scales(draw: Draw, count: int) -> NDArray[Any]:
    return draw.uniform(0.001, 0.01, count)


@pytest.mark.parametrize("activation", FUSED)
@pytest.mark.parametrize(("padding", "size"), [(SAME, (6, 7)), (VALID, (4, 5))])
def test_convolution(
    rounding: str,
    activation: Activation,
    padding: Padding,
    size: tuple[int, int],
    draw: Draw,
    tmp_path: Path,
) -> None:
    file = File()
    x = file.tensor((1, 6, 7, 3), 0.043, -5)
    y = file.tensor((1, *size, 4), 0.051, 11)
    weight = weights(draw, 4, 3, 3, 3)
    file.conv(
        x,
        weight,
        scales(draw, 4),
        biases(draw, 4),
        y,
        padding=padding,
        fusedActivationFunction=activation,
    )
    out = dense(file, y, 4 * size[0] * size[1], draw)
    equal(convert(file.content([x], [out]), tmp_path, rounding))


def dense(file: File, source: int, inputs: int, draw: Draw, outputs: int = 3) -> int:
    """Flatten an image and add a dense layer, so that the answer is a row."""
    flat = file.reshape(source, (1, inputs))
    out = file.tensor((1, outputs), 0.9, -3)
    return file.conv(
        flat, weights(draw, outputs, inputs), 0.004, biases(draw, outputs), out, "FULLY_CONNECTED"
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "padding", "size"),
    [
        ((3, 3), (2, 2), (1, 1), SAME, (4, 3)),
        ((2, 4), (1, 2), (1, 1), SAME, (8, 3)),
        ((2, 2), (3, 2), (1, 1), VALID, (3, 3)),
        ((3, 2), (1, 1), (2, 3), SAME, (8, 6)),
        ((3, 2), (1, 1), (2, 1), VALID, (4, 5)),
        ((1, 1), (2, 2), (1, 1), SAME, (4, 3)),
    ],
)
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_windows(
    rounding: str,
    kind: str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
    size: tuple[int, int],
    draw: Draw,
    tmp_path: Path,
) -> None:
    file = File()
    x = file.tensor((1, 8, 6, 2), 0.043, -128)
    y = file.tensor((1, *size, 4), 0.051, -9)
    shape = (4, *kernel, 2) if kind == "CONV_2D" else (1, *kernel, 4)
    file.conv(
        x,
        weights(draw, *shape),
        scales(draw, 4),
        biases(draw, 4),
        y,
        kind,
        padding=padding,
        strideH=stride[0],
        strideW=stride[1],
        dilationHFactor=dilation[0],
        dilationWFactor=dilation[1],
    )
    equal(
        convert(
            file.content([x], [dense(file, y, 4 * size[0] * size[1], draw)]), tmp_path, rounding
        )
    )


@pytest.mark.parametrize("activation", FUSED)
@pytest.mark.parametrize(("channels", "multiplier"), [(2, 1), (2, 3), (11, 2)])
def test_depthwise(
    rounding: str,
    activation: Activation,
    channels: int,
    multiplier: int,
    draw: Draw,
    tmp_path: Path,
) -> None:
    file = File()
    outputs = channels * multiplier
    x = file.tensor((1, 5, 5, channels), 0.043, 17)
    y = file.tensor((1, 5, 5, outputs), 0.051, -9)
    file.conv(
        x,
        weights(draw, 1, 3, 3, outputs),
        scales(draw, outputs),
        biases(draw, outputs),
        y,
        "DEPTHWISE_CONV_2D",
        fusedActivationFunction=activation,
    )
    out = dense(file, y, 25 * outputs, draw)
    equal(convert(file.content([x], [out]), tmp_path, rounding))


@pytest.mark.parametrize("activation", FUSED)
@pytest.mark.parametrize("count", [1, 4])
def test_dense(
    rounding: str, activation: Activation, count: int, draw: Draw, tmp_path: Path
) -> None:
    file = File()
    x = file.tensor((1, 9), 0.043, 17)
    y = file.tensor((1, 4), 0.71, -9)
    file.conv(
        x,
        weights(draw, 4, 9),
        scales(draw, count),
        biases(draw, 4),
        y,
        "FULLY_CONNECTED",
        fusedActivationFunction=activation,
    )
    equal(convert(file.content([x], [y]), tmp_path, rounding), 200)


@pytest.mark.parametrize(("groups", "outputs"), [(2, 4), (3, 9)])
def test_groups(rounding: str, groups: int, outputs: int, draw: Draw, tmp_path: Path) -> None:
    file = File()
    x = file.tensor((1, 5, 5, 6), 0.043, 17)
    y = file.tensor((1, 5, 5, outputs), 0.051, -9)
    weight = weights(draw, outputs, 3, 3, 6 // groups)
    file.conv(x, weight, scales(draw, outputs), biases(draw, outputs), y)
    out = dense(file, y, 25 * outputs, draw)
    equal(convert(file.content([x], [out]), tmp_path, rounding))


def test_without_bias(rounding: str, draw: Draw, tmp_path: Path) -> None:
    file = File()
    x = file.tensor((1, 4, 4, 2), 0.043, 17)
    y = file.tensor((1, 4, 4, 3), 0.051, -9)
    file.conv(x, weights(draw, 3, 3, 3, 2), scales(draw, 3), biases(draw, 3), y)
    if rounding == "tflm":  # LiteRT's convolutions must have one
        del file.graph.operators[-1].inputs[2]
    out = dense(file, y, 48, draw)
    file.graph.operators[-1].inputs[2] = -1
    equal(convert(file.content([x], [out]), tmp_path, rounding))


@pytest.mark.parametrize("real", [6, 1])
@pytest.mark.parametrize("half", [2.5, 9.5, 10.5])
def test_limits_that_lie_between_two_numbers(
    rounding: str, real: int, half: float, draw: Draw, tmp_path: Path
) -> None:
    """A fused activation's limit is rounded too, and not by all kernels alike."""
    scale = np.float32(real / half)
    assert np.float32(real) / scale == half
    activation = {6: RELU6, 1: Activation.RELU_N1_TO_1}[real]
    file = File()
    x = file.tensor((1, 4, 4, 2), 0.043, 17)
    y = file.tensor((1, 4, 4, 16), scale, -7)
    file.conv(
        x,
        weights(draw, 16, 1, 1, 2),
        scales(draw, 16),
        biases(draw, 16),
        y,
        fusedActivationFunction=activation,
    )
    total, pooled = file.tensor((1, 4, 4, 16), scale, 0), file.tensor((1, 2, 2, 16), scale, 0)
    file.add("ADD", [y, y], total, version=2, fusedActivationFunction=activation)
    sizes = dict.fromkeys(("strideW", "strideH", "filterWidth", "filterHeight"), 2)
    file.add("MAX_POOL_2D", [total], pooled, version=2, fusedActivationFunction=activation, **sizes)
    mean = file.tensor((1, 1, 1, 16), scale, 0)
    file.add(
        "AVERAGE_POOL_2D", [pooled], mean, version=2, fusedActivationFunction=activation, **sizes
    )
    equal(convert(file.content([x], [mean]), tmp_path, rounding), 50)


@pytest.mark.parametrize("activation", FUSED)
@pytest.mark.parametrize(("first", "second"), [(0.02, 0.02), (0.013, 0.0471), (0.3, 0.002)])
def test_add(
    rounding: str, activation: Activation, first: float, second: float, draw: Draw, tmp_path: Path
) -> None:
    file = File()
    x = file.tensor((1, 8), 0.043, 17)
    a, b = file.tensor((1, 64), first, 3), file.tensor((1, 64), second, -7)
    for branch in (a, b):
        file.conv(
            x,
            weights(draw, 64, 8),
            0.3 * (first if branch == a else second),
            biases(draw, 64),
            branch,
            "FULLY_CONNECTED",
        )
    y = file.tensor((1, 64), 0.031, -12)
    file.add("ADD", [a, b], y, version=2, fusedActivationFunction=activation)
    equal(convert(file.content([x], [y]), tmp_path, rounding), 100)


@pytest.mark.parametrize("activation", FUSED)
@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
@pytest.mark.parametrize(("padding", "size"), [(SAME, (3, 3)), (VALID, (2, 2))])
def test_pools(
    rounding: str,
    kind: str,
    activation: Activation,
    padding: Padding,
    size: tuple[int, int],
    draw: Draw,
    tmp_path: Path,
) -> None:
    file = File()
    x = file.tensor((1, 5, 5, 3), 0.043, 17)
    y = file.tensor((1, *size, 3), 0.043, 17)
    file.add(
        kind,
        [x],
        y,
        version=2,
        padding=padding,
        strideW=2,
        strideH=2,
        filterWidth=3,
        filterHeight=2,
        fusedActivationFunction=activation,
    )
    out = dense(file, y, 3 * size[0] * size[1], draw)
    equal(convert(file.content([x], [out]), tmp_path, rounding))


@pytest.mark.parametrize("kind", ["RELU", "RELU6"])
@pytest.mark.parametrize("scale", [0.043, 0.03, 0.0711])
def test_activations_of_their_own(
    rounding: str, kind: str, scale: float, draw: Draw, tmp_path: Path
) -> None:
    file = File()
    x = file.tensor((1, 256), 0.043, 17)
    y = file.tensor((1, 256), scale, -5 if scale != 0.043 else 17)
    file.add(kind, [x], y, version=2)
    content = file.content([x], [y])
    if (rounding, kind) == ("tflm", "RELU6") and scale != 0.043:
        with pytest.raises(UnsupportedError, match="which TFLite Micro ignores"):
            convert(content, tmp_path, rounding)
    else:
        equal(convert(content, tmp_path, rounding))


@pytest.mark.parametrize(
    ("scale", "zero"), [(0.043, 3), (0.03, 17), (0.0711, -100), (0.0215, 0), (0.172, 1), (0.3, 5)]
)
@pytest.mark.parametrize("size", [256, 13])
def test_quantise(
    rounding: str, scale: float, zero: int, size: int, draw: Draw, tmp_path: Path
) -> None:
    file = File()
    x = file.tensor((1, size), 0.043, 17)
    y = file.tensor((1, size), scale, zero)
    file.add("QUANTIZE", [x], y, version=2)
    equal(convert(file.content([x], [y]), tmp_path, rounding), 50)


@pytest.mark.parametrize("size", [256, 9])
@pytest.mark.parametrize(("scale", "zero"), [(0.03, 17), (0.0711, -100)])
def test_quantise_uint8(
    rounding: str, size: int, scale: float, zero: int, draw: Draw, tmp_path: Path
) -> None:
    """XNNPACK leaves that to LiteRT's built-in kernels."""
    file = File()
    x = file.tensor((1, size), 0.043, 100, kind="UINT8")
    y = file.tensor((1, size), scale, zero)
    file.add("QUANTIZE", [x], y, version=2)
    equal(convert(file.content([x], [y]), tmp_path, rounding), 50)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("scale", [0.043, 0.03, 0.0711, 0.172])
@pytest.mark.parametrize("channels", [64, 5])
def test_mean(
    rounding: str, keeps: bool, scale: float, channels: int, draw: Draw, tmp_path: Path
) -> None:
    file = File()
    x = file.tensor((1, 5, 3, channels), 0.043, 17)
    y = file.tensor((1, 1, 1, channels) if keeps else (1, channels), scale, -30)
    axes = file.tensor((2,), None, kind="INT32", values=[1, -2 if keeps else 2])
    file.add("MEAN", [x, axes], y, version=2, keepDims=keeps)
    equal(convert(file.content([x], [y]), tmp_path, rounding), 100)


@pytest.mark.parametrize("kind", ["MEAN", "QUANTIZE"])
def test_what_depends_on_the_place(rounding: str, kind: str, tmp_path: Path) -> None:
    """LiteRT's built-in kernels round the numbers that fill no block of 16 in another way."""
    file = File()
    x = file.tensor((1, 1, 1, 20), 0.043, 17)
    y = file.tensor((1, 1, 1, 20), 0.3, 5)
    axes = [file.tensor((2,), None, kind="INT32", values=[1, 2])] if kind == "MEAN" else []
    file.add(kind, [x, *axes], y, version=2, **({"keepDims": True} if axes else {}))
    if rounding == "builtin-x86":
        with pytest.raises(UnsupportedError, match="multiple of 16"):
            convert(file.content([x], [y]), tmp_path, rounding)
    else:
        equal(convert(file.content([x], [y]), tmp_path, rounding))


@pytest.mark.parametrize("axes", [[1, 2], [2, 1]])
def test_reference_kernels_stand_in_for_tflite_micro(
    rounding: str, axes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without tflite-micro, LiteRT's reference kernels run what they round alike."""
    file = File()
    x = file.tensor((1, 3, 3, 4), 0.043, 17)
    y = file.tensor((1, 4), 0.031, 5)
    numbers = file.tensor((2,), None, kind="INT32", values=axes)
    file.add("MEAN", [x, numbers], y, version=2, keepDims=False)
    found = convert(file.content([x], [y]), tmp_path, rounding)
    monkeypatch.setattr(agreement, "find_spec", lambda name: name != "tflite_micro")
    parts = differences(found)
    assert set(parts.values()) == {0}
    assert any("reference" in path for path in parts) == (rounding == "tflm")


@pytest.mark.parametrize("kind", ["PAD", "PADV2"])
def test_pad(rounding: str, kind: str, draw: Draw, tmp_path: Path) -> None:
    file = File()
    x = file.tensor((1, 4, 3, 2), 0.043, 17)
    padded = file.tensor((1, 5, 6, 2), 0.043, 17)
    amounts = file.tensor((4, 2), None, kind="INT32", values=[[0, 0], [1, 0], [1, 2], [0, 0]])
    value = [file.tensor((1,), 0.043, 17, values=[17])] if kind == "PADV2" else []
    file.add(kind, [x, amounts, *value], padded, version=2)
    y = file.tensor((1, 3, 4, 4), 0.3, 5)
    file.conv(padded, weights(draw, 4, 3, 3, 2), 0.004, biases(draw, 4), y, padding=VALID)
    equal(convert(file.content([x], [dense(file, y, 48, draw)]), tmp_path, rounding))


def test_concatenation(rounding: str, draw: Draw, tmp_path: Path) -> None:
    file = File()
    x = file.tensor((1, 4, 3, 2), 0.043, 17)
    a, b = file.tensor((1, 4, 3, 3), 0.2, 4), file.tensor((1, 4, 3, 2), 0.2, 4)
    file.conv(x, weights(draw, 3, 3, 3, 2), 0.004, biases(draw, 3), a)
    file.conv(x, weights(draw, 2, 1, 1, 2), 0.004, biases(draw, 2), b)
    y = file.tensor((1, 4, 3, 5), 0.2, 4)
    file.add("CONCATENATION", [a, b], y, version=2, axis=-1, fusedActivationFunction=0)
    equal(convert(file.content([x], [dense(file, y, 60, draw)]), tmp_path, rounding))


def near_halves(seed: int) -> Iterator[tuple[np.float32, np.float32]]:
    """Yield scales of which the float32 quotient and the real one round a number differently."""
    draw = np.random.default_rng(seed)
    while True:
        source = np.float32(draw.uniform(0.01, 1))
        quotient = (draw.integers(1, 100) + 0.5) / draw.integers(3, 128)
        result = np.float32(source / quotient)
        exact, rounded = float(source) / float(result), float(source / result)
        tables = [FixedPoint.of(ratio).times(np.arange(-128, 128)) for ratio in (exact, rounded)]
        if 0.1 < exact < 2 and (tables[0] != tables[1]).any():
            yield source, result


@pytest.mark.parametrize("kind", ["QUANTIZE", "RELU", "MEAN"])
@pytest.mark.parametrize("seed", range(2))
def test_quotients_of_scales_are_rounded_as_the_kernel_does(
    rounding: str, kind: str, seed: int, tmp_path: Path
) -> None:
    source, result = next(near_halves(seed))
    file = File()
    x = file.tensor((1, 1, 1, 64), source, 0)
    y = file.tensor((1, 64) if kind == "MEAN" else (1, 1, 1, 64), result, 0)
    axes = [file.tensor((2,), None, kind="INT32", values=[1, 2])] if kind == "MEAN" else []
    file.add(kind, [x, *axes], y, version=2, **({"keepDims": False} if axes else {}))
    equal(convert(file.content([x], [y]), tmp_path, rounding), 40)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@pytest.mark.parametrize("each", [True, False])
def test_products_of_scales_are_rounded_as_the_kernel_does(
    rounding: str, kind: str, each: bool, tmp_path: Path
) -> None:
    """Sums, all of them biases, that are so near a half that the factor's rounding decides."""
    draw = np.random.default_rng(5)
    source, weight, result = (np.float32(draw.uniform(0.1, 1)) for _ in range(3))
    weight = np.float32(weight * 1e-7)
    factor = float(source) * float(weight) / float(result)
    halves = (np.arange(5, 45) + 0.5) / factor
    bias = np.concatenate(
        [sign * halves.astype(int) + near for sign in (1, -1) for near in OFFSETS]
    )
    count = len(bias)
    file = File()
    x = file.tensor((1, 2) if kind == "FULLY_CONNECTED" else (1, 1, 1, 1), source, 0)
    y = file.tensor((1, count) if kind == "FULLY_CONNECTED" else (1, 1, 1, count), result, 0)
    shape = {"CONV_2D": (count, 1, 1, 1), "DEPTHWISE_CONV_2D": (1, 1, 1, count)}
    zeros = np.zeros(shape.get(kind, (count, 2)), int)
    file.conv(x, zeros, np.full(count, weight) if each else weight, bias, y, kind)
    equal(convert(file.content([x], [y]), tmp_path, rounding), 2)
