"""Every operator, with every rounding, computes what its runtime computes: number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.converters.tflite import agreement
from edgespike.converters.tflite.schema import Activation, Padding
from edgespike.errors import UnsupportedError
from tests.converters.tflite.files import ROUNDINGS, File, convert, differences, equal

NONE, RELU, RELU6 = Activation.NONE, Activation.RELU, Activation.RELU6
FUSED = (NONE, RELU, RELU6, Activation.RELU_N1_TO_1)
SAME, VALID = Padding.SAME, Padding.VALID

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
    y = file.tensor((1, *size, 4), 0.051, -128)
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
        fusedActivationFunction=RELU,
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
