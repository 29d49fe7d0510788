"""The float interpreter computes what the docstrings of the operations and torch say."""

from __future__ import annotations

import itertools
import operator
from dataclasses import replace

import numpy as np
import pytest

from edgespike.errors import InputError
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
    Reals,
)
from edgespike.floats.run import answers, evaluate, neurons, run_steps
from edgespike.graph import Comparison, ReadoutMode, Reset, ResetTime

RNG = np.random.default_rng(17)


def reals(*shape: int) -> Reals:
    return RNG.normal(size=shape)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (0, 0, 0, 0), (1, 1), 1),
        ((2, 1), (1, 1, 2, 2), (1, 1), 1),
        ((1, 2), (0, 1, 2, 1), (2, 1), 2),
        ((1, 1), (1, 1, 1, 1), (1, 2), 4),
    ],
)
def test_a_convolution_is_that_of_torch(
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    torch = pytest.importorskip("torch")
    x, weight, bias = reals(3, 4, 7, 8), reals(8, 4 // groups, 3, 2), reals(8)
    top, bottom, left, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    expected = torch.nn.functional.conv2d(
        torch.tensor(padded),
        torch.tensor(weight),
        torch.tensor(bias),
        stride,
        dilation=dilation,
        groups=groups,
    )
    found = evaluate(FloatConv2d(weight, bias, stride, padding, dilation, groups), x)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", Pooling)
@pytest.mark.parametrize("padding", [0, 1])
def test_a_pool_is_that_of_torch(pooling: Pooling, padding: int) -> None:
    torch = pytest.importorskip("torch")
    x = reals(2, 3, 7, 8) - 2  # mostly negative: padding is no 0 that wins a maximum
    pools = {
        Pooling.MAX: torch.nn.functional.max_pool2d,
        Pooling.AVERAGE: torch.nn.functional.avg_pool2d,
        Pooling.SUM: lambda *values: 6 * torch.nn.functional.avg_pool2d(*values),
    }
    expected = pools[pooling](torch.tensor(x), (2, 3), (2, 1), (padding, padding))
    op = FloatPool2d(pooling, (2, 3), (2, 1), (padding,) * 4)
    np.testing.assert_allclose(evaluate(op, x), expected.numpy(), rtol=0, atol=1e-12)


def test_operations_on_elements() -> None:
    x, y = reals(2, 3, 2, 2), reals(2, 3, 2, 2)
    scale, offset = reals(3), reals(3)
    affine = evaluate(FloatAffine(scale, offset), x)
    assert np.array_equal(affine[1, 2], x[1, 2] * scale[2] + offset[2])
    assert np.array_equal(evaluate(FloatAdd(), x, y, x), x + y + x)
    assert np.array_equal(evaluate(FloatRelu(), x), np.maximum(x, 0))
    assert np.array_equal(evaluate(FloatRelu(0.5), x), np.minimum(np.maximum(x, 0), 0.5))
    assert np.array_equal(evaluate(FloatTanh(), x), np.tanh(x))
    assert np.array_equal(evaluate(FloatConcatenate(), x, y)[:, 3:], y)
    assert np.array_equal(evaluate(FloatReshape((12,)), x), x.reshape(2, 12))
    weight, bias = reals(2, 4), reals(2)
    expected = [[sum(weight[o] * row) + bias[o] for o in range(2)] for row in x[:, 0].reshape(2, 4)]
    np.testing.assert_allclose(
        evaluate(FloatDense(weight, bias), x[:, 0].reshape(2, 4)), expected, atol=1e-14
    )


def by_hand(op: FloatNeurons, inputs: list[float]) -> list[float]:
    """Compute one neuron from the docstring of FloatNeurons, with Python's numbers."""
    threshold, beta = float(op.threshold[0]), float(op.beta[0])
    over = operator.gt if op.comparison is Comparison.GREATER else operator.ge
    i = v = 0.0
    fired, out = 0, []
    for x in inputs:
        i = x if op.alpha is None else float(op.alpha[0]) * i + x
        raised = op.reset_time is RAISED and over(v, threshold)
        v = beta * v + (1.0 if op.gain is None else float(op.gain[0])) * i
        v += 0.0 if op.bias is None else float(op.bias[0])

        def after_reset(v: float, n: int) -> float:
            if op.reset is Reset.SUBTRACT:
                return v - n * threshold
            return 0.0 if n and op.reset is Reset.ZERO else v

        if op.reset_time is ResetTime.NEXT_STEP:
            v = after_reset(v, fired)
        if op.floor is not None:
            v = max(v, float(op.floor[0]))
        fired = sum(over(v, n * threshold) for n in range(1, op.max_spikes + 1))
        if raised:
            fired = int(over(v, 2 * threshold))
        out.append(v if op.emits_potential else float(fired))
        if op.reset_time is not ResetTime.NEXT_STEP:
            v = after_reset(v, fired)
    return out


RAISED = ResetTime.SAME_STEP_RAISED
KINDS = [
    kind
    for kind in itertools.product(Reset, ResetTime, Comparison)
    if kind[1] is not RAISED or kind[0] is Reset.SUBTRACT
]


def one(value: float | None) -> Reals | None:
    return None if value is None else np.array([value])


@pytest.mark.parametrize(("reset", "reset_time", "comparison"), KINDS)
@pytest.mark.parametrize(
    ("max_spikes", "alpha", "gain", "bias", "floor", "emits_potential"),
    [
        (1, None, None, None, None, False),
        (3, None, 0.5, 0.25, -0.5, False),
        (1, 0.5, 2.0, -0.25, 0.0, False),
        (1, 0.5, None, None, None, True),
    ],
)
def test_neurons_follow_their_docstring(
    reset: Reset,
    reset_time: ResetTime,
    comparison: Comparison,
    max_spikes: int,
    alpha: float | None,
    gain: float | None,
    bias: float | None,
    floor: float | None,
    emits_potential: bool,
) -> None:
    op = FloatNeurons(
        np.array([1.0]),
        np.array([0.75]),
        one(alpha),
        one(gain),
        one(bias),
        one(floor),
        reset,
        reset_time,
        comparison,
        1 if reset_time is RAISED else max_spikes,
        emits_potential,
    )
    inputs = RNG.integers(-8, 17, (5, 40)) / 4  # dyadic: sums and ties are exact
    state, found = None, []
    for t in range(40):
        value, state = neurons(op, inputs[:, t : t + 1], state)
        found.append(value[:, 0])
    expected = [by_hand(op, row.tolist()) for row in inputs]
    assert np.array_equal(np.array(found).T, expected)
    assert np.ptp(found) > 0


def test_parameters_of_a_neuron_and_of_a_channel() -> None:
    x = np.ones((1, 2, 1, 2))
    channel = FloatNeurons(np.array([1.0, 2.0]), np.zeros(2), comparison=Comparison.GREATER_EQUAL)
    assert neurons(channel, x, None)[0].tolist() == [[[[1, 1]], [[0, 0]]]]
    neuron = replace(channel, threshold=np.array([[[1.0, 2.0]], [[0.5, 3.0]]]))
    assert neurons(neuron, x, None)[0].tolist() == [[[[1, 0]], [[1, 0]]]]


def counter(mode: ReadoutMode, steps: int = 3) -> FloatNet:
    """Return a net that adds its input to what it had before, in a loop."""
    one_to_one = FloatDense(np.eye(1), np.zeros(1))
    return FloatNet(
        (
            FloatNode("x", FloatInput((1,))),
            FloatNode("before", FloatDelay((1,)), ("total",)),
            FloatNode("total", FloatAdd(), ("x", "before")),
            FloatNode("y", one_to_one, ("total",)),
            FloatNode("answer", FloatReadout(mode), ("y",)),
        ),
        steps,
    )


def test_a_loop_and_the_readouts() -> None:
    samples = np.array([[[1], [2], [-9]]])
    for mode, expected in zip(ReadoutMode, ([1, 4, -2], [1, 3, -6], [1, 3, 3]), strict=True):
        steps = list(run_steps(counter(mode), samples))
        assert [step["answer"][0, 0] for step in steps] == expected
        assert answers(counter(mode), samples).tolist() == [[expected[-1]]]
    assert answers(counter(ReadoutMode.SUM), np.array([[1]])).tolist() == [[6]]  # repeated
    many = np.arange(200)[:, None]
    assert np.array_equal(answers(counter(ReadoutMode.LAST), many), 3 * many)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 3)), "samples have shape (2, 3); give (samples, 1), or with an axis of 3"),
        (np.zeros((0, 1)), "there are no samples"),
        (np.array([["a"]]), "dtype <U1; give numbers"),
    ],
)
def test_samples_that_do_not_fit(samples: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as caught:
        answers(counter(ReadoutMode.SUM), samples)
    assert message in str(caught.value)
