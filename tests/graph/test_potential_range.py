"""The proven range of potentials: it holds for every input, and inputs reach it, or nearly."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.graph import Comparison, Emits, Membrane, Reset, ResetTime, Signal, Tensor
from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS, SATURATION, decayed
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.interpreter import membrane

ONE = 1 << FRACTION_BITS
DECAYS = (0, 1, 100, 2048, 4095, DECAY_ONE)


def tensor(low: int, high: int) -> Tensor:
    return Tensor((1,), np.array([low]), np.array([high]), Signal.ACCUMULATOR)


def computed(op: Membrane, inputs: Integers) -> Iterator[tuple[Integers, Integers]]:
    """Yield all that each step computes of ``(samples, steps)``, and the spikes.

    The spikes are those of the definition; the potentials are computed here once more, since the
    definition returns only what it keeps.
    """
    state = None
    v = i = fired = np.zeros(len(inputs), np.int64)
    one = 1 << op.fraction_bits
    theta = int(op.theta[0]) * one

    def reset(v: Integers, fired: Integers) -> Integers:
        if op.reset is Reset.ZERO:
            return np.where(fired > 0, 0, v)
        return v - fired * theta if op.reset is Reset.SUBTRACT else v

    for x in inputs.T:
        current = x * one
        if op.decay_syn is not None:
            i = decayed(i, op.decay_syn, op.decay_bits) + x * one
            i = current = np.clip(i, -op.saturation, op.saturation)
        integrated = decayed(v, op.decay, op.decay_bits) + current + op.bias
        late = op.reset_time is ResetTime.NEXT_STEP
        before = reset(integrated, fired) if late else integrated
        spikes, state = membrane(op, x[:, None], state)
        fired = state.fired[:, 0]
        compared = v = np.clip(before, op.least, op.saturation)
        v = v if late else reset(v, fired)
        assert np.array_equal(v, state.v[:, 0])
        if op.emits is Emits.POTENTIAL:
            assert np.array_equal(spikes[:, 0], compared)
        yield np.stack([integrated, before, v]), fired


def bounds(op: Membrane, low: int, high: int, steps: int) -> tuple[int, int]:
    least, most = op.potential_range(tensor(low, high), steps)
    return int(least[0]), int(most[0])


@st.composite
def membranes(draw: st.DrawFn) -> Membrane:
    theta, max_spikes = draw(st.integers(1, 12)), draw(st.sampled_from((1, 1, 2, 5)))
    reset, reset_time = draw(st.sampled_from(Reset)), draw(st.sampled_from(ResetTime))
    if reset_time is ResetTime.SAME_STEP_RAISED:
        reset, max_spikes = Reset.SUBTRACT, 1
    fraction_bits, finer = draw(st.sampled_from(((6, 0), (6, 0), (0, 4), (11, 8))))
    raised = 1 + (reset_time is ResetTime.SAME_STEP_RAISED)
    least = (theta * max_spikes * raised << fraction_bits) + 1
    saturation = draw(st.sampled_from((least, 2 * least, SATURATION, ACCUMULATOR_LIMIT)))
    return Membrane(
        np.array([theta]),
        draw(st.sampled_from(DECAYS)) << finer,
        reset,
        reset_time,
        draw(st.sampled_from(Comparison)),
        max_spikes,
        saturation,
        draw(st.sampled_from((None, None, *(decay << finer for decay in DECAYS)))),
        draw(st.sampled_from((0, 0, least // 3, -(least // 5)))),
        draw(st.sampled_from((None, None, 0, -(least // 2)))),
        fraction_bits,
        12 + finer,
        draw(st.sampled_from(Emits)),
    )


@given(
    op=membranes(),
    ends=st.tuples(st.integers(-9, 9), st.integers(0, 9)),
    steps=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=500)
def test_nothing_leaves_the_range(
    op: Membrane, ends: tuple[int, int], steps: int, seed: int
) -> None:
    low, high = ends[0], ends[0] + ends[1]
    rng = np.random.default_rng(seed)
    inputs = rng.integers(low, high + 1, (60, steps))
    inputs[:30] = np.where(rng.random((30, steps)) < rng.random((30, 1)), low, high)
    least, most = bounds(op, low, high, steps)
    given = tensor(low, high)
    given_out = op.infer([given], steps)
    current_least, current_most = (end[0] for end in op.current_range(given, steps))
    saturates = op.saturates(np.array(least), np.array(most), steps)
    for potentials, fired in computed(op, inputs):
        assert least <= potentials.min()
        assert potentials.max() <= most
        if op.emits is Emits.SPIKES:
            assert fired.max() <= given_out.high[0]
        if not saturates and steps > 1 and op.keeps:
            assert potentials.max() <= op.saturation
            assert potentials.min() >= op.least
    state, i = None, np.zeros(len(inputs), np.int64)
    for x in inputs.T:
        if op.decay_syn is not None:
            i = decayed(i, op.decay_syn, op.decay_bits)
        i = i + (x << op.fraction_bits)
        assert current_least <= i.min()
        assert i.max() <= current_most
        value, state = membrane(op, x[:, None], state)
        i = state.i[:, 0]
        assert given_out.low[0] <= value.min()
        assert value.max() <= given_out.high[0]


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("comparison", Comparison)
@pytest.mark.parametrize("reset_time", [ResetTime.SAME_STEP, ResetTime.NEXT_STEP])
@pytest.mark.parametrize("reset", Reset)
def test_inputs_reach_the_range_or_nearly(
    reset: Reset, reset_time: ResetTime, comparison: Comparison, decay: int
) -> None:
    """All inputs of six steps; without decay potentials are multiples of ONE, and bounds not."""
    steps = 6
    for (theta, spikes), (low, high) in itertools.product(
        [(2, 1), (5, 1), (1, 2), (2, 3)], [(-2, 3), (0, 2), (1, 4), (-3, -1)]
    ):
        op = Membrane(np.array([theta]), decay, reset, reset_time, comparison, spikes)
        inputs = np.array(list(itertools.product(range(low, high + 1), repeat=steps)))
        seen = np.stack([potentials for potentials, _ in computed(op, inputs)])
        least, most = bounds(op, low, high, steps)
        lowest, highest = min(0, int(seen.min())), max(0, int(seen.max()))
        assert least <= lowest <= least + ONE
        assert most - ONE <= highest <= most


NINE = np.array([9])


@pytest.mark.parametrize("reset_time", [ResetTime.SAME_STEP, ResetTime.NEXT_STEP])
@pytest.mark.parametrize(
    ("reset", "highest"),
    [(Reset.ZERO, 9 * ONE - 1), (Reset.SUBTRACT, 9 * ONE - 1), (Reset.NONE, SATURATION)],
)
def test_a_reset_ends_the_growth(reset: Reset, highest: int, reset_time: ResetTime) -> None:
    """Whatever is left of a potential after a reset is below theta; then the input is added."""
    op = Membrane(NINE, reset=reset, reset_time=reset_time)
    late = 2 if reset_time is ResetTime.NEXT_STEP and reset is not Reset.NONE else 1
    for steps in (30_000, 100_000, 2**31):
        assert bounds(op, 0, 7, steps) == (0, highest + late * 7 * ONE)


def test_nothing_but_saturation_ends_the_growth_downwards() -> None:
    op = Membrane(NINE)
    assert bounds(op, -3, 2, 1000)[0] == -3 * 1000 * ONE
    assert bounds(op, -3, 2, 2**31)[0] == -SATURATION - 3 * ONE


def test_inputs_beyond_what_a_reset_takes_end_at_saturation() -> None:
    """After the first step just less than 9 is left; each later one adds 12 and takes 9."""
    op = Membrane(NINE)
    assert bounds(op, 0, 12, 100)[1] == 9 * ONE - 1 + (3 * 98 + 12) * ONE
    assert bounds(op, 0, 12, 2**31)[1] == SATURATION - 9 * ONE + 12 * ONE


@pytest.mark.parametrize("decay", [0, 1, 2048])
@pytest.mark.parametrize("reset_time", [ResetTime.SAME_STEP, ResetTime.NEXT_STEP])
@pytest.mark.parametrize("reset", Reset)
def test_bounds_of_many_steps_take_no_time_and_stay_close(
    reset: Reset, reset_time: ResetTime, decay: int
) -> None:
    """Later steps share bounds, which are at most one part in 512 of the growth too wide."""
    op = Membrane(np.array([2000]), decay, reset, reset_time, max_spikes=2, saturation=2**40)
    values, steps = tensor(-700, 5000), 5000
    start = time.perf_counter()
    least, most = bounds(op, -700, 5000, 2**31)
    assert time.perf_counter() - start < 10
    low = high = np.zeros(1, np.int64)
    exact_low, exact_high = 0, 0
    for _ in range(steps):
        step = op._step(low, high, values.low << FRACTION_BITS, values.high << FRACTION_BITS)
        low = np.maximum(np.minimum(low, step.low), -op.saturation)
        high = np.maximum(high, step.kept)
        exact_low = min(exact_low, int(step.low[0]))
        exact_high = max(exact_high, int(step.high[0]))
    assert least <= exact_low
    assert exact_high <= most
    least, most = bounds(op, -700, 5000, steps)
    assert exact_low * (1 + 1 / 128) <= least <= exact_low
    assert exact_high <= most <= exact_high * (1 + 1 / 128)
