from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgespike.nn import RoundClip, SpikeActivation
from edgespike.nn.layers.activation import LevelActivation
from edgespike.nn.layers.optimal_step import optimal_step
from edgespike.nn.layers.surrogates import (
    BUMPS,
    Bump,
    StraightThrough,
    SumOfBumps,
    Surrogate,
    surrogate_derivative,
)

STATES = [2, 3, 4, 5, 7, 8, 15, 16, 256]


@pytest.mark.parametrize("states", STATES)
def test_values_are_rounded_half_up_and_clipped(states: int) -> None:
    activation = RoundClip(states, step=0.5)
    potentials = [Fraction(k, 8) for k in range(-16, 4 * states + 16)]
    found = activation(torch.tensor([float(u) for u in potentials]))
    half = Fraction(1, 2)
    expected = [min(max(floor(u / half + half), 0), states - 1) * half for u in potentials]
    assert found.tolist() == expected


@pytest.mark.parametrize("states", STATES)
def test_the_thresholds_are_where_the_level_rises(states: int) -> None:
    activation = RoundClip(states, step=0.25).double()
    thresholds = torch.tensor([float(t) for t in activation.thresholds()], dtype=torch.float64)
    levels = torch.arange(1, states, dtype=torch.float64) * 0.25
    assert torch.equal(activation(thresholds), levels)
    assert torch.equal(activation(torch.nextafter(thresholds, -torch.ones(()))), levels - 0.25)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=20), st.floats(-2, 2, width=32))
def test_a_spike_is_the_activation_with_two_states(potentials: list[float], first: float) -> None:
    u = torch.tensor(potentials, requires_grad=True)
    staircase = LevelActivation(2, first, 1.0, 1.0, SumOfBumps(4.0, 1.0))
    spikes, levels = SpikeActivation(first)(u), staircase(u)
    assert torch.equal(spikes, levels)
    assert torch.equal(spikes, (u >= first).float())
    gradients = [torch.autograd.grad(y.sum(), u)[0] for y in (spikes, levels)]
    assert torch.equal(*gradients)


def test_the_straight_through_gradient_is_1_where_nothing_is_clipped() -> None:
    u = torch.tensor([-0.3, -0.24, 0.1, 0.9, 1.7, 1.76], requires_grad=True)
    (gradient,) = torch.autograd.grad((3 * RoundClip(4, step=0.5)(u)).sum(), u)
    assert gradient.tolist() == [0, 3, 3, 3, 3, 0]


def test_the_other_surrogate_is_a_sum_of_bumps_one_at_each_threshold() -> None:
    u = torch.linspace(-3, 4, 29, dtype=torch.float64, requires_grad=True)
    activation = RoundClip(4, step=0.5, surrogate=SumOfBumps(4.0, 1.0))
    (gradient,) = torch.autograd.grad(activation(u).sum(), u)
    bumps = [surrogate_derivative((u - float(t)) / 0.5, 4.0, 1.0) for t in activation.thresholds()]
    torch.testing.assert_close(gradient, sum(bumps))


def squared_error(step: float, states: int) -> float:
    """Integrate over the positive half of a normal distribution, numerically."""
    x = torch.linspace(0, 8, 200_001, dtype=torch.float64)
    density = torch.exp(-(x**2) / 2)
    error = (torch.clamp(torch.floor(x / step + 0.5), max=states - 1) * step - x) ** 2
    return float((error * density).sum())


@pytest.mark.parametrize("states", [2, 3, 4, 8, 16])
def test_the_default_step_has_the_least_squared_error(states: int) -> None:
    step = RoundClip(states).step
    best = squared_error(step, states)
    assert all(best < squared_error(step * change, states) for change in (0.99, 1.01))


@pytest.mark.parametrize(
    ("states", "step"), [(2, 1.596), (3, 1.224), (4, 0.996), (5, 0.843), (15, 0.353), (16, 0.335)]
)
def test_the_steps_for_weights_are_the_known_ones(states: int, step: float) -> None:
    assert round(optimal_step(states), 3) == step


@pytest.mark.parametrize("states", [1, 0, -3, 257, 10**9, 3.0, True, "3"])
def test_impossible_numbers_of_states_are_refused(states: Any) -> None:
    with pytest.raises(ValueError, match=f"has {states!r} states; 2 to 256 are possible"):
        RoundClip(states)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_that_is_not_finite_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"threshold is {threshold}; it must be finite"):
        SpikeActivation(threshold)


def test_a_surrogate_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match=r"alpha is nan and beta 1\.0; both must be finite"):
        SpikeActivation(alpha=float("nan"))


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_that_is_not_positive_is_refused(step: float) -> None:
    with pytest.raises(ValueError, match="both must be positive"):
        RoundClip(3, step=step)


@pytest.mark.parametrize("name", ["first", "step", "scale"])
def test_numbers_that_are_not_finite_are_refused(name: str) -> None:
    numbers = {"first": 1.0, "step": 1.0, "scale": 1.0, name: float("inf")}
    with pytest.raises(ValueError, match="finite"):
        LevelActivation(4, surrogate=StraightThrough(), **numbers)


def test_the_text_form_names_the_parameters() -> None:
    assert "states=4, step=0.6508" in repr(RoundClip(4))
    assert "StraightThrough" in repr(RoundClip(4))
    assert "threshold=0.5" in repr(SpikeActivation(0.5))
    assert StraightThrough() == StraightThrough()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "surrogate",
    [StraightThrough(), *(SumOfBumps(2.0, 0.75, bump) for bump in BUMPS)],
    ids=["straight_through", *BUMPS],
)
def test_a_step_of_training_takes_the_derivative_that_is_defined(
    surrogate: Surrogate, steps: int, dtype: torch.dtype
) -> None:
    edges = torch.arange(-2, 6, dtype=dtype)
    beside = [torch.nextafter(edges.float(), torch.full((8,), e)).to(dtype) for e in (-9.0, 9.0)]
    x = torch.cat([edges, *beside, torch.linspace(-6, 6, 49, dtype=dtype)])
    gradient = torch.linspace(-3, 2, len(x), dtype=dtype)
    before = x.clone()
    expected = gradient * surrogate.derivative(x, steps)
    tolerance = 3e-2 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(
        surrogate.times(gradient, x, steps), expected, rtol=tolerance, atol=tolerance
    )
    assert torch.equal(x, before)
    if isinstance(surrogate, StraightThrough):
        assert torch.equal(surrogate.times(gradient, x, steps) != 0, expected != 0)


@pytest.mark.parametrize("bump", BUMPS)
def test_bumps_have_the_same_height_at_the_edge_and_area_one(bump: Bump) -> None:
    x = torch.linspace(-400, 400, 800_001, dtype=torch.float64)
    slope = SumOfBumps(4.0, 1.0, bump).derivative(x, 1)
    assert slope[len(x) // 2].item() == pytest.approx(1)
    if bump != "asymmetric":
        assert float(torch.trapezoid(slope, x)) == pytest.approx(1, abs=2e-3)
        torch.testing.assert_close(slope, slope.flip(0))
    # alpha says how high, and so how narrow, a bump is.
    high = SumOfBumps(8.0, 2.0, bump).derivative(torch.zeros(1), 1)
    assert high.item() == pytest.approx(2)


def test_an_arctangent_is_that_of_snntorch() -> None:
    snntorch = pytest.importorskip("snntorch.surrogate")
    u = torch.linspace(-2, 2, 41, requires_grad=True)
    (expected,) = torch.autograd.grad(snntorch.atan(alpha=2.0)(u).sum(), u)
    torch.testing.assert_close(SumOfBumps(4.0, bump="arctangent").derivative(u, 1), expected)


@pytest.mark.parametrize("bump", BUMPS)
def test_a_spike_has_the_surrogate_of_its_bump(bump: Bump) -> None:
    u = torch.linspace(-1, 3, 33, requires_grad=True)
    spikes = SpikeActivation(0.5, bump=bump)(u)
    (gradient,) = torch.autograd.grad(spikes.sum(), u)
    torch.testing.assert_close(gradient, SumOfBumps(bump=bump).derivative(u.detach() - 0.5, 1))


def test_impossible_bumps_are_refused() -> None:
    with pytest.raises(ValueError, match="bump is 'hat'; it must be one of asymmetric, sigmoid"):
        SumOfBumps(bump="hat")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="alpha is 0; a bump 'rectangle' needs one above 0"):
        SumOfBumps(0, bump="rectangle")
