"""Thresholds have the rational meaning of a file, at every sum that a layer can have."""

from __future__ import annotations

import sys
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.converters.onnx.qonnx.rounding import MODES, Rounding
from edgespike.converters.result import Conversion
from edgespike.errors import EnvironmentMissingError
from tests.converters.onnx.qonnx_nets import Net, converted, different, thresholds_of

MAX_SUM = 600


def sums_net(rng: np.random.Generator, channels: int, scale: float) -> tuple[Net, str]:
    """Return a net whose sums are the input, from -600 to 600, times a scale, in each channel."""
    net = Net(1)
    x = net.quant("x", 1.0, bits=11)
    weights = net.quant(np.full((1, channels), scale), scale, bits=2)
    return net, net.node("MatMul", x, weights)


def levels(found: Conversion, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the levels that the last thresholds give some sums, ``(channels, sums)``."""
    op = thresholds_of(found)[-1]
    reached = (values[None, :, None] >= op.theta[:, None, :]).sum(axis=2)
    counts = np.where(op.flipped[:, None], op.levels - reached, reached)
    return np.asarray(op.offset + op.unit * counts)


def rounded(value: Decimal, mode: Rounding) -> int:
    whole = int(value.to_integral_value("ROUND_FLOOR"))
    rest = value - whole
    half = Decimal("0.5")
    match mode:
        case Rounding.HALF_EVEN:
            up = rest > half or (rest == half and whole % 2 == 1)
        case Rounding.HALF_UP:
            up = rest > half or (rest == half and whole >= 0)
        case Rounding.HALF_DOWN:
            up = rest > half or (rest == half and whole < 0)
        case Rounding.CEIL:
            up = rest > 0
        case Rounding.FLOOR:
            up = False
        case Rounding.UP:
            up = rest > 0 and whole >= 0
        case Rounding.DOWN:
            up = rest > 0 and whole < 0
    return whole + up


def exactly(number: Any) -> Decimal:
    return Decimal(float(np.float32(number)))


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize(
    ("weight_scale", "level_scale"),
    [(0.25, 0.5), (0.05, 0.1), (0.01, 0.1), (0.3, 0.6), (0.0123457, 0.314159)],
)
def test_levels_of_every_sum(
    tmp_path: Path, name: str, weight_scale: float, level_scale: float
) -> None:
    """Also where float32 does not tell a tie from its neighbours."""
    net, x = sums_net(np.random.default_rng(0), 1, weight_scale)
    found = converted(tmp_path, net, net.quant(x, level_scale, bits=8, mode=name))
    sums = np.arange(-MAX_SUM, MAX_SUM + 1)
    with localcontext() as context:
        context.prec = 100
        exact = [int(s) * exactly(weight_scale) / exactly(level_scale) for s in sums]
        expected = [rounded(min(max(e, Decimal(-128)), Decimal(127)), MODES[name]) for e in exact]
    assert levels(found, sums)[0].tolist() == expected


def test_normalised_levels_of_every_sum(tmp_path: Path) -> None:
    """With roots that are no fractions, gammas of both signs and 0, and a ReLU."""
    rng = np.random.default_rng(1)
    channels = 24
    net, x = sums_net(rng, channels, 0.037)
    gamma, beta, mean = (rng.normal(size=channels).astype(np.float32) for _ in range(3))
    gamma[:2] = 0
    variance = rng.uniform(0.1, 90, channels).astype(np.float32)
    x = net.node("BatchNormalization", x, gamma, beta, mean, variance, epsilon=1e-5)
    found = converted(tmp_path, net, net.quant(net.node("Relu", x), 0.17, bits=5, signed=0))
    sums = np.arange(-MAX_SUM, MAX_SUM + 1)
    expected = np.empty((channels, len(sums)), np.int64)
    with localcontext() as context:
        context.prec = 100
        for c in range(channels):
            root = (exactly(variance[c]) + exactly(1e-5)).sqrt()
            for i, number in enumerate(sums):
                y = int(number) * exactly(0.037) - exactly(mean[c])
                y = max(y / root * exactly(gamma[c]) + exactly(beta[c]), Decimal(0))
                expected[c, i] = min(rounded(y / exactly(0.17), Rounding.HALF_EVEN), 31)
    assert np.array_equal(levels(found, sums), expected)


@pytest.mark.parametrize(
    ("weight_scale", "level_scale", "near"),
    [(0.25, 0.5, 0), (0.05, 0.1, 255), (0.0123457, 0.314159, 0)],
)
def test_what_float32_cannot_tell_is_counted(
    tmp_path: Path, weight_scale: float, level_scale: float, near: int
) -> None:
    net, x = sums_net(np.random.default_rng(0), 1, weight_scale)
    found = converted(tmp_path, net, net.quant(x, level_scale, bits=8))
    said = [sentence for sentence in found.said if "so near a sum" in sentence]
    assert [int(sentence.split()[0]) for sentence in said] == [near][: bool(near)]


def test_the_check_passes_over_what_float32_may_round_either_way(tmp_path: Path) -> None:
    """0.3 / 0.6 is 1/2; where the sum is a tie, the sample is compared no further."""
    pytest.importorskip("qonnx")
    net, x = sums_net(np.random.default_rng(0), 1, 0.3)
    found = converted(tmp_path, net, net.quant(x, 0.6, bits=8, mode="FLOOR"))
    assert found.check is not None
    parts = found.check(np.arange(-250, 251)[:, None])
    assert [part.different for part in parts] == [0] * 4
    assert [part.values for part in parts[:2]] == [501, 501]
    assert 480 < parts[2].values == parts[3].values < 501


def test_the_check_finds_other_levels(tmp_path: Path) -> None:
    """The file's scale is a little larger than that of the net that was converted."""
    pytest.importorskip("qonnx")
    net, x = sums_net(np.random.default_rng(0), 1, 0.25)
    found = converted(tmp_path, net, net.quant(x, 0.5, bits=8))
    assert different(found, np.arange(-250, 251)[:, None]) == []
    net, x = sums_net(np.random.default_rng(0), 1, 0.25)
    net.save(tmp_path, net.quant(x, 0.501, bits=8))
    assert [path for path, _ in different(found, np.arange(-250, 251)[:, None])] == [
        "Quant_3",
        "sums of the answers",
    ]


def test_the_check_needs_qonnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = sums_net(np.random.default_rng(0), 1, 0.25)
    found = converted(tmp_path, net, net.quant(x, 0.5, bits=8))
    monkeypatch.setitem(sys.modules, "qonnx.core.modelwrapper", None)
    with pytest.raises(EnvironmentMissingError, match="pip install qonnx"):
        different(found, np.arange(3)[:, None])
