"""The bound of partial sums: above every one, whatever the order, and no larger than need be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.graph import Graph, Input, Node, Readout, Signal, Tensor, Threshold
from edgespike.graph.ops import Dense, Weighted
from edgespike.graph.tensor import FLOAT64_LIMIT, Integers, per_channel
from edgespike.interpreter import evaluate, interpret
from edgespike.targets import get_target
from edgespike.targets.shared.partial_sums import largest_magnitude, partial_sum_bounds
from tests.available import run_on
from tests.strategies import Case, cases


@dataclass(frozen=True)
class Layer:
    """Weights ``(outputs, inputs / groups, taps)``, biases, and the range of each input."""

    weight: Integers
    bias: Integers
    source: Tensor

    def terms(self, output: int, x: NDArray[Any]) -> list[int]:
        """Return all that one output adds up, for an input ``(inputs, taps)``."""
        outputs, inputs = self.weight.shape[:2]
        first = output * (len(x) // inputs) // outputs * inputs
        products = self.weight[output] * x[first : first + inputs]
        return [*products.ravel().tolist(), int(self.bias[output])]

    @property
    def bounds(self) -> list[float]:
        bounds: list[float] = partial_sum_bounds(self.weight, self.bias, self.source).tolist()
        return bounds


@st.composite
def layers(draw: st.DrawFn, largest: int = 9, symmetric: bool = False) -> Layer:
    """Draw a layer of one to three groups, with at most four weights an output."""
    groups, each = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    inputs, taps = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    number = st.integers(-largest, largest)

    def array(*shape: int) -> Integers:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(number, min_size=size, max_size=size))).reshape(shape)

    ends = np.sort(array(2, groups * inputs), axis=0)
    low, high = (-np.abs(ends[0]), np.abs(ends[0])) if symmetric else ends
    source = Tensor((groups * inputs,), low, high, Signal.GRADED)
    return Layer(array(groups * each, inputs, taps), array(groups * each), source)


@given(layer=layers(), data=st.data())
def test_no_partial_sum_of_any_order_is_above_it(layer: Layer, data: st.DataObject) -> None:
    ends = zip(layer.source.low.tolist(), layer.source.high.tolist(), strict=True)
    taps = layer.weight.shape[2]
    x = np.array([[data.draw(st.integers(*end)) for _ in range(taps)] for end in ends])
    for output, bound in enumerate(layer.bounds):
        orders = np.array(list(permutations(layer.terms(output, x))))
        assert np.abs(np.cumsum(orders, axis=1)).max() <= bound


@given(layer=layers(symmetric=True))
def test_a_partial_sum_reaches_it_where_inputs_have_either_sign(layer: Layer) -> None:
    """The sum of all terms, each as large as it gets and with the sign of the bias."""
    for output, bound in enumerate(layer.bounds):
        sign = 1 if layer.bias[output] >= 0 else -1
        groups = len(layer.source.high) // layer.weight.shape[1]
        x = sign * np.tile(np.sign(layer.weight[output]), (groups, 1)) * layer.source.high[:, None]
        assert abs(sum(layer.terms(output, x))) == bound


@given(layer=st.sampled_from([2**25, 2**27, 2**63 - 1]).flatmap(layers))
def test_it_is_exact_as_far_as_float64_is_and_above_every_limit_beyond(layer: Layer) -> None:
    """Python's whole numbers cannot wrap around."""
    largest = np.maximum(np.abs(layer.source.low), np.abs(layer.source.high))
    x = np.repeat(largest[:, None], layer.weight.shape[2], axis=1).astype(object)
    for output, bound in enumerate(layer.bounds):
        exact = sum(abs(term) for term in layer.terms(output, x))
        assert bound == exact if exact <= FLOAT64_LIMIT else bound >= FLOAT64_LIMIT


@given(case=st.one_of(cases("dense"), cases("convolution"), cases("residual")))
def test_it_holds_for_every_place_of_the_layers_of_a_graph(case: Case) -> None:
    """No sum of an output is larger than that of all magnitudes, wherever the kernel lies."""
    weighted = [(node, node.op) for node in case.graph.nodes if isinstance(node.op, Weighted)]
    for node, op in weighted:
        (source,) = case.graph.input_tensors(node)
        bounds = partial_sum_bounds(op.weight, op.bias, source)
        x = per_channel(largest_magnitude(source).astype(int), len(source.shape))
        magnitudes = replace(op, weight=np.abs(op.weight), bias=np.abs(op.bias))
        found, _ = evaluate(magnitudes, [np.broadcast_to(x, (1, *source.shape))])
        assert (found.max(axis=(0, *range(2, found.ndim))) <= bounds).all()


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
    ran = run_on("cpu", graph, samples)
    np.testing.assert_array_equal(ran.values["s"], interpret(graph, samples).values["s"])
