"""Random nets with scales that are powers of two equal qonnx's execution in every level."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgespike.converters.onnx.qonnx.rounding import MODES
from tests.converters.onnx.qonnx_nets import DOMAINS, Net, converted, different, samples_for

pytest.importorskip("qonnx")

powers = st.integers(-3, 1).map(lambda exponent: 2.0**exponent)
SIZE = 5


class Drawn:
    """An image in a random net, whose parts hypothesis chooses."""

    def __init__(self, draw: st.DrawFn, net: Net) -> None:
        self.draw, self.net, self.channels = draw, net, 2
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.x = net.quant("x", 0.25, draw(st.sampled_from([0.0, 2.0])), bits=4)

    def quantise(self, *, pooled: bool = False) -> None:
        """Quantise, after arithmetic that float32 does exactly; not falling after a MaxPool."""
        if self.draw(st.booleans()):
            factors = 2.0 ** self.rng.integers(-1, 2, (self.channels, 1, 1))
            self.x = self.net.node(
                "Mul", self.x, factors * self.rng.choice([1 if pooled else -1, 1], factors.shape)
            )
            offsets = self.rng.integers(-8, 8, (self.channels, 1, 1)) / 8
            self.x = self.net.node(self.draw(st.sampled_from(["Add", "Sub"])), self.x, offsets)
        if self.draw(st.booleans()):
            self.x = self.net.node("Relu", self.x)
        if self.draw(st.integers(0, 3)):
            self.x = self.net.quant(
                self.x,
                self.draw(powers),
                self.draw(st.sampled_from([0.0, 0.0, -1.0, 3.0, 0.5])),
                self.draw(st.integers(1, 5)),
                signed=self.draw(st.integers(0, 1)),
                narrow=self.draw(st.integers(0, 1)),
                mode=self.draw(st.sampled_from(sorted(MODES))),
            )
        else:
            self.x = self.net.bipolar(self.x, self.draw(powers))

    def convolve(self) -> None:
        outputs = self.draw(st.sampled_from([2, 4]))
        groups = self.draw(st.sampled_from([1, 2]))
        kernel = self.rng.integers(-4, 5, (outputs, self.channels // groups, 3, 3)) / 8
        scale = 2.0 ** self.rng.integers(-3, 0, (outputs, 1, 1, 1))
        pads = self.draw(st.sampled_from([[1, 1, 1, 1], [2, 1, 0, 1]]))
        self.x = self.net.node(
            "Conv", self.x, self.net.quant(kernel, scale), pads=pads, group=groups
        )
        self.channels = outputs

    def branch(self) -> None:
        start, channels = self.x, self.channels
        self.convolve()
        self.quantise()
        if self.channels == channels:
            self.x = self.net.node("Add", self.x, start)


@st.composite
def nets(draw: st.DrawFn) -> tuple[Net, str]:
    net = Net(2, SIZE, SIZE, domain=draw(st.sampled_from(DOMAINS)))
    drawn = Drawn(draw, net)
    size = SIZE
    for _ in range(draw(st.integers(1, 3))):
        drawn.convolve()
        if pooled := draw(st.booleans()):
            drawn.x = net.node("MaxPool", drawn.x, kernel_shape=[2, 2], pads=[1, 0, 0, 1])
        drawn.quantise(pooled=pooled)
        if draw(st.booleans()):
            drawn.branch()
            drawn.quantise()
        if draw(st.booleans()):
            drawn.x = net.node("AveragePool", drawn.x, kernel_shape=[2, 2], strides=[1, 1])
            size -= 1
            drawn.quantise()
    features = drawn.channels * size * size
    kernel = net.quant(drawn.rng.integers(-4, 5, (features, 3)) / 4, 0.25)
    return net, net.node("MatMul", net.reshape(drawn.x, 1, features), kernel)


@given(nets())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_nets(drawn: tuple[Net, str]) -> None:
    with TemporaryDirectory() as folder:
        found = converted(Path(folder), *drawn)
        assert different(found, samples_for(found, 3)) == []
