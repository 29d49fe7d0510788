"""Which rounding each TFLite runtime has, operator by operator, number by number.

Found on x86-64; on other processors the runtimes have other kernels.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers
from edgespike.int8.additions import Addition, FixedPointAddition, OneShiftAddition
from edgespike.int8.averages import FixedPointMean, RawAverage
from edgespike.int8.net import (
    Int8AveragePool,
    Int8Input,
    Int8Net,
    Int8Node,
    Int8Readout,
    Stored,
)
from edgespike.int8.rescaling import Rescaled, ShiftRescaled
from edgespike.int8.rounding import Requantise, Rounding
from edgespike.int8.run import run_int8
from tests.available import available, needs_tflm
from tests.int8.tflite_models import (
    Constant,
    OneOp,
    Variable,
    run_litert,
    run_tflite_runtime,
    run_tflm,
)

pytest.importorskip("ai_edge_litert")
pytestmark = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "AMD64"}, reason="the kernels are those of x86-64"
)

D, R = Rounding.DOUBLE_AWAY, Rounding.DOUBLE_UP
X, E = Rounding.FLOAT_EVEN, Rounding.ONCE_AWAY
Array = NDArray[Any]


@dataclass(frozen=True)
class Kernels:
    """A runtime with a set of kernels, and what they are found to do."""

    runtime: str
    resolver: str
    conv: Rounding
    depthwise: Rounding
    dense: Rounding
    quantize: Rounding = D
    addition: type[Addition] = FixedPointAddition

    def run(self, folder: Path, models: Sequence[OneOp], *inputs: Sequence[Array]) -> list[Array]:
        """Return the output of each model, given all its inputs."""
        contents = [model.content() for model in models]
        if self.runtime == "tflite-runtime":
            available("tflite-runtime")
            return run_tflite_runtime(folder, contents, self.resolver, inputs)
        if self.runtime == "tflite-micro":
            return [run_tflm(one, *each) for one, each in zip(contents, inputs, strict=True)]
        pairs = zip(contents, inputs, strict=True)
        return [run_litert(one, self.resolver, *each) for one, each in pairs]


OLDER = pytest.mark.tflite_runtime
ALL = [
    pytest.param(Kernels("tflite-micro", "", D, D, D), id="tflite-micro", marks=needs_tflm),
    pytest.param(Kernels("litert", "AUTO", X, X, X, X, OneShiftAddition), id="xnnpack"),
    pytest.param(
        Kernels("litert", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", R, R, R, R), id="litert-builtin"
    ),
    pytest.param(Kernels("litert", "BUILTIN_REF", D, D, E), id="litert-reference"),
    pytest.param(Kernels("tflite-runtime", "AUTO", R, D, R), id="2.14", marks=OLDER),
    pytest.param(
        Kernels("tflite-runtime", "BUILTIN_REF", D, D, D), id="2.14-reference", marks=OLDER
    ),
]

BYTES = np.arange(-128, 128, dtype=np.int8)
CHANNELS = 64

IN_A_ROW = 256 * np.arange(CHANNELS) - 8192
"""With a weight of 1 and all bytes as input, biases for which 16,384 sums in a row occur."""


@dataclass(frozen=True, eq=False)
class Layer:
    """How input, output and weights are stored, and the biases, of weights that are all 1."""

    source: Stored
    output: Stored
    weights: NDArray[np.float32]
    bias: Integers


def layers() -> list[Layer]:
    """Return ties, unrelated scales, products that are all 0, and large sums beside halves."""
    rng = np.random.default_rng(0)
    powers = (2.0 ** -rng.integers(5, 9, CHANNELS)).astype(np.float32)
    any_scale = (rng.uniform(1 / 200, 1 / 40, CHANNELS)).astype(np.float32)
    tiny = np.full(CHANNELS, 1e-11, np.float32)
    ones = Stored(1.0, 0), Stored(1.0, 0)
    others = Stored(float(np.float32(0.0123)), -7), Stored(float(np.float32(0.0345)), 11)
    all_layers = [
        Layer(*ones, powers, IN_A_ROW),
        Layer(*ones, any_scale, IN_A_ROW),
        Layer(*others, any_scale, IN_A_ROW),
        Layer(*others, tiny, IN_A_ROW),
    ]
    halves = rng.integers(-120, 120, CHANNELS) + 0.5
    for factor in (1.16e-7, 1.16e-5, 0.75, 1.5, 3.0):
        weights = np.full(CHANNELS, factor, np.float32)
        bias = np.round(halves / weights).astype(np.int64)
        all_layers.append(Layer(*ones, weights, bias))
    return all_layers


def factors(layer: Layer, rounding: Rounding, *, single: bool) -> NDArray[np.float64]:
    """Return the factors as runtimes compute them; ``single`` if the first product is float32."""
    source, output = np.float32(layer.source.scale), np.float32(layer.output.scale)
    if rounding is X:
        return (source * layer.weights / output).astype(np.float64)
    first = source * layer.weights if single else np.float64(source) * layer.weights
    return np.asarray(first.astype(np.float64) / np.float64(output))


def expected(layer: Layer, rounding: Rounding, *, single: bool = False) -> Integers:
    """Return the stored numbers ``(bytes, channels)``."""
    sums = BYTES.astype(np.int64) - layer.source.zero_point + layer.bias[:, None]
    factor = factors(layer, rounding, single=single)
    return Requantise(factor, rounding, layer.output.zero_point, -128, 127)(sums).T


def weighted(
    operator: str, options: tuple[str, dict[str, int]], weight: Array, axis: int, layer: Layer
) -> OneOp:
    shape = (1, 16, 16, 1) if weight.ndim == 4 else (256, 1)
    output = (1, 16, 16, CHANNELS) if weight.ndim == 4 else (256, CHANNELS)
    bias_scales = (np.float32(layer.source.scale) * layer.weights).tolist()
    return OneOp(
        operator,
        options,
        (
            Variable(shape, layer.source),
            Constant(weight.astype(np.int8), tuple(layer.weights.tolist()), axis),
            Constant(layer.bias.astype(np.int32), tuple(bias_scales)),
        ),
        Variable(output, layer.output),
    )


@pytest.mark.parametrize("kernels", ALL)
def test_weighted_layers_round_as_stated(kernels: Kernels, tmp_path: Path) -> None:
    windows = {"padding": 1, "strideW": 1, "strideH": 1}
    conv = ("Conv2DOptions", windows)
    depthwise = ("DepthwiseConv2DOptions", windows | {"depthMultiplier": CHANNELS})
    dense: tuple[str, dict[str, int]] = ("FullyConnectedOptions", {})
    models, wanted = [], []
    for layer in layers():
        one = replace(layer, weights=layer.weights[:1])  # one for all channels
        row = np.ones((CHANNELS, 1))
        models += [
            weighted("CONV_2D", conv, row.reshape(-1, 1, 1, 1), 0, layer),
            weighted("DEPTHWISE_CONV_2D", depthwise, row.reshape(1, 1, 1, -1), 3, layer),
            weighted("FULLY_CONNECTED", dense, row, 0, one),
        ]
        wanted += [
            expected(layer, kernels.conv),
            expected(layer, kernels.depthwise),
            expected(one, kernels.dense, single=True),
        ]
    inputs = [(BYTES.reshape(model.inputs[0].shape),) for model in models]  # type: ignore[union-attr]
    for found, right in zip(kernels.run(tmp_path, models, *inputs), wanted, strict=True):
        assert np.array_equal(found.reshape(right.shape), right)


def additions(kind: type[Addition]) -> list[Addition]:
    """Return sums of equal, simply related and unrelated scales."""
    rng = np.random.default_rng(1)
    given = [((1.0, 1.0, 1.0), (0, 0, 0)), ((1.0, 0.5, 2.0), (3, -7, 11))]
    for _ in range(3):
        triple = np.exp(rng.uniform(-3, 1, 3)).astype(np.float32).tolist()
        given.append((tuple(triple), tuple(rng.integers(-128, 128, 3).tolist())))
    stored = [list(map(Stored, one, zeros)) for one, zeros in given]
    return [kind(first, second, total, -128, 127) for first, second, total in stored]


@pytest.mark.parametrize("kernels", ALL)
def test_sums_of_two_tensors_of_all_pairs(kernels: Kernels, tmp_path: Path) -> None:
    left, right = np.repeat(BYTES, 256), np.tile(BYTES, 256)
    shape, models = (1, 256, 16, 16), []
    sums = additions(kernels.addition)
    for one in sums:
        operands = Variable(shape, one.first), Variable(shape, one.second)
        models.append(OneOp("ADD", ("AddOptions", {}), operands, Variable(shape, one.total)))
    inputs = [(left.reshape(shape), right.reshape(shape))] * len(models)
    for one, found in zip(sums, kernels.run(tmp_path, models, *inputs), strict=True):
        wanted = one(left.astype(np.int64), right.astype(np.int64))
        assert np.array_equal(found.ravel(), wanted)


def image(*shape: int) -> Array:
    """Return random bytes, half of them near 0, whose means have many halves."""
    rng = np.random.default_rng(2)
    values = rng.integers(-128, 128, shape)
    values[..., ::2] = rng.integers(-3, 4, values[..., ::2].shape)
    return values.astype(np.int8)


@pytest.mark.parametrize("kernels", ALL)
def test_average_pools_round_the_mean_of_stored_numbers(kernels: Kernels, tmp_path: Path) -> None:
    x, stored = image(1, 8, 8, 64), Stored(0.5, 5)
    models, wanted = [], []
    for kernel, padding in (((8, 8), 0), ((2, 2), 0), ((2, 3), 0), ((3, 3), 1)):
        pool = Int8AveragePool(kernel, (1, 1), RawAverage(-128, 127), (padding,) * 4)
        net = Int8Net(
            (
                Int8Node("input", Int8Input((64, 8, 8)), stored),
                Int8Node("pool", pool, stored, ("input",)),
                Int8Node("readout", Int8Readout(), stored, ("pool",)),
            )
        )
        right = run_int8(net, x.transpose(0, 3, 1, 2))["pool"].transpose(0, 2, 3, 1)
        options = {
            "padding": 1 - padding,  # SAME is 0
            "strideW": 1,
            "strideH": 1,
            "filterWidth": kernel[1],
            "filterHeight": kernel[0],
        }
        source, output = Variable(x.shape, stored), Variable(right.shape, stored)
        models.append(OneOp("AVERAGE_POOL_2D", ("Pool2DOptions", options), (source,), output))
        wanted.append(right)
    for found, right in zip(kernels.run(tmp_path, models, *[(x,)] * 4), wanted, strict=True):
        assert np.array_equal(found, right)


REFERENCE = [
    each for each in ALL if each.id in {"tflite-micro", "litert-reference", "2.14-reference"}
]


@pytest.mark.parametrize("kernels", REFERENCE)
@pytest.mark.parametrize("keep", [0, 1])
def test_reference_kernels_divide_the_factor_of_a_mean(
    kernels: Kernels, keep: int, tmp_path: Path
) -> None:
    axes = Constant(np.array([1, 2], np.int32), ())
    models, inputs, wanted = [], [], []
    for source, mean in ((0.1, 0.1), (0.1, 0.07), (0.1, 0.313)):
        stored = Stored(float(np.float32(source)), 5), Stored(float(np.float32(mean)), -9)
        for size in ((8, 8), (7, 7), (3, 5)):
            x = image(1, *size, 64)
            output = Variable((1, 1, 1, 64) if keep else (1, 64), stored[1])
            options = ("ReducerOptions", {"keepDims": keep})
            models.append(OneOp("MEAN", options, (Variable(x.shape, stored[0]), axes), output))
            inputs.append((x,))
            sums = x.astype(np.int64).sum(axis=(0, 1, 2))
            wanted.append(FixedPointMean(*stored)(sums, size[0] * size[1]))
    for found, right in zip(kernels.run(tmp_path, models, *inputs), wanted, strict=True):
        assert np.array_equal(found.ravel(), right)


@pytest.mark.parametrize("kernels", ALL)
def test_numbers_that_are_stored_anew(kernels: Kernels, tmp_path: Path) -> None:
    rng, shape = np.random.default_rng(3), (1, 16, 16, 1)
    models, wanted = [], []
    for number in range(24):
        scale = float(np.float32(np.exp(rng.uniform(-2, 2))))
        ratio = np.exp(rng.uniform(-2, 1.5)) if number % 4 else 2.0 ** rng.integers(-3, 2)
        source = Stored(float(np.float32(scale * ratio)), int(rng.integers(-128, 128)))
        result = Stored(scale, int(rng.integers(-128, 128)))
        factor = np.array([source.scale / scale])
        operands = (Variable(shape, source),), Variable(shape, result)
        numbers = BYTES.astype(np.int64)
        requantise = Requantise(factor, kernels.quantize, result.zero_point, -128, 127)
        rescaled = Rescaled(source.zero_point, requantise)
        shifted = ShiftRescaled(source, result)
        models.append(OneOp("QUANTIZE", ("QuantizeOptions", {}), *operands))
        wanted.append(shifted(numbers) if kernels.quantize is X else rescaled(numbers))
        # A ReLU leaves positive numbers alone, for which both double roundings are one.
        models.append(OneOp("RELU", ("AddNOptions", {}), *operands))
        relu = Requantise(factor, D, result.zero_point, result.zero_point, 127)
        wanted.append(Rescaled(source.zero_point, relu)(numbers))
    inputs = [(BYTES.reshape(shape),)] * len(models)
    for found, right in zip(kernels.run(tmp_path, models, *inputs), wanted, strict=True):
        assert np.array_equal(found.ravel(), right)
