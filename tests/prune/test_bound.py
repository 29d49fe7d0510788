from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.prune import Choice, Group, Method, choose
from edgespike.prune.choosing.bound import PrunedLayer, PrunedPart, hidden_error, output_bound
from tests.prune.random_states import seeds

Matrix = NDArray[np.float64]


@dataclass
class Layer:
    arriving: Matrix
    recurrent: Matrix
    bias: Matrix

    def run(self, inputs: Matrix, relu: bool) -> Matrix:
        """Return the states (samples, steps, units), from a state of 0."""
        state = np.zeros((len(inputs), len(self.bias)))
        states = []
        for step in range(inputs.shape[1]):
            sums = inputs[:, step] @ self.arriving.T + state @ self.recurrent.T + self.bias
            state = np.maximum(sums, 0) if relu else np.tanh(sums)
            states.append(state)
        return np.stack(states, axis=1)

    def cut(self, choice: Choice, below: Matrix) -> Layer:
        kept = choice.units
        recurrent = self.recurrent[kept] @ choice.estimate
        return Layer(self.arriving[kept] @ below, recurrent, self.bias[kept])


def random_layer(generator: np.random.Generator, inputs: int, units: int) -> Layer:
    scale = generator.uniform(0.2, 1.5)
    return Layer(
        generator.normal(size=(units, inputs)),
        scale * generator.normal(size=(units, units)) / units**0.5,
        generator.normal(size=units),
    )


@given(
    seed=seeds,
    depth=st.integers(1, 3),
    steps=st.integers(1, 6),
    relu=st.booleans(),
    method=st.sampled_from([each for each in Method if each.keeps_units]),
)
def test_no_random_net_errs_by_more_than_the_bound(
    seed: int, depth: int, steps: int, relu: bool, method: Method
) -> None:
    generator = np.random.default_rng(seed)
    units, kept = 6, int(generator.integers(1, 7))
    layers = [random_layer(generator, 3 if k == 0 else units, units) for k in range(depth)]
    takers = [layer.arriving for layer in layers[1:]] + [generator.normal(size=(2, units))]
    samples = generator.normal(size=(8, steps, 3))
    whole, pruned, below = samples, samples, np.eye(3)
    parts = []
    for layer, output in zip(layers, takers, strict=True):
        whole = layer.run(whole, relu)
        flat = whole.reshape(-1, units)
        group = Group("layer", flat.T @ flat / len(flat), output, layer.recurrent)
        choice = choose(group, kept, method)
        pruned = layer.cut(choice, below).run(pruned, relu)
        below = choice.estimate
        parts.append(PrunedLayer((PrunedPart(group, choice, layer.arriving),)))
    difference = whole @ takers[-1].T - pruned @ (takers[-1] @ below).T
    error = np.sqrt(np.mean(np.sum(difference**2, axis=-1)))
    size = np.sqrt(np.mean(np.sum((whole @ takers[-1].T) ** 2, axis=-1)))
    # The loss is a difference: what rounding leaves of it is the root of 64-bit precision.
    assert error <= output_bound(parts, takers[-1], steps) + 1e-7 * (1 + size)


def test_the_hidden_error_adds_up_over_the_steps() -> None:
    assert hidden_error(0.5, 2.0, 4) == pytest.approx(0.5 * (1 + 2 + 4))
    assert hidden_error(0.5, 2.0, 4, arriving=0.1) == pytest.approx(3.5 + 0.1 * (1 + 2 + 4 + 8))
    assert hidden_error(1.0, 2.0, 3, arriving=1.0, lipschitz=0.5) == pytest.approx(0.5 * (2 + 3))


def test_a_single_step_recurs_through_nothing() -> None:
    assert hidden_error(0.5, 2.0, 1) == 0


def test_exact_reconstruction_errs_by_nothing_however_many_the_steps() -> None:
    assert hidden_error(0.0, 3.0, 10_000) == 0


def test_a_bound_beyond_all_numbers_is_infinite() -> None:
    assert hidden_error(0.1, 3.0, 10_000) == np.inf


def test_a_sequence_has_a_step_and_the_layers_recur() -> None:
    with pytest.raises(InputError, match="steps is 0; it must be at least 1"):
        hidden_error(0.1, 1.0, 0)
    group = Group("dense", np.eye(2), np.eye(2))
    layer = PrunedLayer((PrunedPart(group, choose(group, 1), np.eye(2)),))
    with pytest.raises(InputError, match="layer 'dense' has no recurrent weights"):
        output_bound([layer], np.eye(2), 3)
