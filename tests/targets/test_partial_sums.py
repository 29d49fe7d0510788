"""The bound of partial sums: what a walk over every weight finds, and no wrapping around."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.graph import Graph, Input, Node, Readout, Signal, Tensor, Threshold
from edgespike.graph.ops import Dense
from edgespike.interpreter import interpret
from edgespike.targets import get_target
from edgespike.targets.partial_sums import partial_sum_bounds


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_it_is_what_a_walk_over_every_weight_finds(groups: int) -> None:
    rng = np.random.default_rng(groups)
    weight, bias = rng.integers(-9, 10, (6, 2, 3, 3)), rng.integers(-9, 10, 6)
    low = rng.integers(-7, 1, 2 * groups)
    source = Tensor((2 * groups, 5, 5), low, low + 5, Signal.GRADED)
    bounds = partial_sum_bounds(weight, bias, source)
    for output in range(6):
        found = abs(int(bias[output]))
        for channel, y, x in np.ndindex(2, 3, 3):
            met = 2 * (output // (6 // groups)) + channel
            largest = max(abs(int(source.low[met])), abs(int(source.high[met])))
            found += abs(int(weight[output, channel, y, x])) * largest
        assert bounds[output] == found


@pytest.mark.parametrize("target", ["tflite", "tflite-reference"])
def test_sums_beyond_64_bits_are_refused(target: str) -> None:
    """Their magnitudes add up to 11 * 2**64: whole numbers would wrap around to 0."""
    weight = np.array([[3 * 2**40, -3 * 2**40, 5 * 2**39, -5 * 2**39]])
    graph = Graph(
        "wraps",
        (
            Node("x", Input((4,), 2**24 - 1, 2**24, 1.0)),
            Node("a", Dense(weight, np.array([0])), ("x",)),
            Node("s", Threshold(np.array([[1]]), np.array([False])), ("a",)),
            Node("b", Dense(np.array([[1]]), np.array([0])), ("s",)),
            Node("out", Readout(np.ones(1)), ("b",)),
        ),
    )
    (refusal,) = get_target(target).violations(graph)
    assert refusal.startswith("s (threshold) needs whole numbers up to 2029141")
    samples = np.array(list(np.ndindex(2, 2, 2, 2))) + 2**24 - 1
    ran = get_target("cpu").run(graph, samples)
    np.testing.assert_array_equal(ran.values["s"], interpret(graph, samples).values["s"])
