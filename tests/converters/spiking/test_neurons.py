"""snnTorch's neurons, read as neurons in real numbers, fire where snnTorch's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.converters.base import ConvertOptions
from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatNeurons
from edgespike.floats.run import run_steps
from edgespike.graph import Reset, ResetTime
from edgespike.interpreter import interpret
from edgespike.quantise import quantise

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from snntorch import utils  # noqa: E402
from torch import nn  # noqa: E402

from edgespike.converters.snntorch import activity, float_net  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 12
UNIT = 2.0**-4
CLASSES = ("Leaky", "Lapicque", "Synaptic", "RLeaky", "RSynaptic")
RESETS = ("subtract", "zero", "none")


def exact_spike(x: Any) -> Any:
    """Fire above zero, in the type of the potential: snnTorch's own always give float32."""
    return (x > 0).to(x.dtype)


def neurons(
    kind: str, reset: str, delay: bool, size: int, rng: np.random.Generator, **options: Any
) -> Any:
    """Return a neuron layer with dyadic parameters, some of them a neuron."""

    def parameter(values: list[float], each: bool) -> Any:
        drawn = rng.choice(values, size if each else 1)
        return torch.tensor(drawn if each else drawn[0], dtype=torch.float64)

    each = bool(rng.integers(2))
    threshold = parameter([0.5, 1.0, 2.0], each)
    kept = parameter([0.0, 0.5, 1.0], each)
    common = {
        "threshold": threshold,
        "reset_mechanism": reset,
        "init_hidden": True,
        "spike_grad": exact_spike,
        "learn_beta": each,
        "learn_threshold": each,
        **options,
    }
    if kind == "Lapicque":
        common.pop("learn_beta")  # it is not used
        return snntorch.Lapicque(R=4.0, C=1.0 if each else 0.25, **common).double()
    if kind in ("Synaptic", "RSynaptic"):
        common |= {"alpha": parameter([0.0, 0.5, 1.0], each), "learn_alpha": each}
    if kind.startswith("R"):
        common |= {"linear_features": size}
    made = getattr(snntorch, kind)(beta=kept, reset_delay=delay, **common).double()
    if kind.startswith("R"):
        with torch.no_grad():
            for values in made.recurrent.parameters():
                drawn = rng.integers(-8, 9, values.shape) * UNIT
                values.copy_(torch.tensor(drawn))
    return made


def currents(rng: np.random.Generator, size: int, scale: int = 20) -> Any:
    return rng.integers(-scale, 2 * scale + 12, (8, STEPS, size)) * UNIT


@given(
    kind=st.sampled_from(CLASSES),
    reset=st.sampled_from(RESETS),
    delay=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_neurons_fire_where_snntorchs_do(kind: str, reset: str, delay: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    delay = delay or kind in ("Lapicque", "RSynaptic")  # they have no other
    layer = neurons(kind, reset, delay, 5, rng)
    model = nn.Sequential(nn.Identity(), layer)
    options = ConvertOptions(input_shape=(5,), steps=STEPS)
    samples = currents(rng, 5)
    net = float_net(model, options)
    (name,) = (node.name for node in net.of_type(FloatNeurons))
    expected = activity(model, options, samples)["1"]
    found = np.stack([values[name] for values in run_steps(net, samples)], axis=1)
    assert expected.any()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", CLASSES)
def test_the_reset_of_each_class(kind: str, reset: str, delay: bool) -> None:
    if not delay and kind in ("Lapicque", "RSynaptic"):
        return
    layer = neurons(kind, reset, delay, 4, np.random.default_rng(1))
    net = float_net(nn.Sequential(layer), ConvertOptions(input_shape=(4,), steps=3))
    (op,) = (node.op for node in net.of_type(FloatNeurons))
    assert isinstance(op, FloatNeurons)
    assert op.reset is Reset(reset)
    if reset == "none":
        return
    if delay:
        at_once = kind == "Leaky" and reset == "zero"
        assert op.reset_time is (ResetTime.SAME_STEP if at_once else ResetTime.NEXT_STEP)
    else:
        raised = reset == "subtract"
        assert op.reset_time is (ResetTime.SAME_STEP_RAISED if raised else ResetTime.SAME_STEP)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", CLASSES)
def test_the_potential_that_is_returned(kind: str, reset: str) -> None:
    rng = np.random.default_rng(3)
    layer = neurons(kind, reset, True, 4, rng, output=True)
    model = nn.Sequential(layer)
    samples = currents(rng, 4)
    net = float_net(model, ConvertOptions(input_shape=(4,), steps=STEPS, readout="potential"))
    *_, last = run_steps(net, samples)
    utils.reset(model)
    for step in range(STEPS):
        with torch.no_grad():
            *_, expected = model(torch.tensor(samples[:, step]))
    np.testing.assert_array_equal(last["readout"], expected.numpy())


def test_lapicque_of_a_beta_keeps_one_plus_its_logarithm() -> None:
    layer = snntorch.Lapicque(beta=0.9, init_hidden=True)
    net = float_net(nn.Sequential(layer), ConvertOptions(input_shape=(2,), steps=3))
    (op,) = (node.op for node in net.of_type(FloatNeurons))
    assert isinstance(op, FloatNeurons)
    assert op.gain is not None
    np.testing.assert_allclose(op.beta, 1 + np.log(0.9), rtol=1e-6)
    np.testing.assert_allclose(op.gain, -np.log(0.9), rtol=1e-6)


def test_beta_is_clamped_as_in_every_forward() -> None:
    layer = snntorch.Leaky(beta=torch.tensor([1.5, -0.5, 0.25]), init_hidden=True, learn_beta=True)
    net = float_net(nn.Sequential(layer), ConvertOptions(input_shape=(3,), steps=3))
    (op,) = (node.op for node in net.of_type(FloatNeurons))
    assert isinstance(op, FloatNeurons)
    assert op.beta.tolist() == [1, 0, 0.25]


@pytest.mark.parametrize(
    ("shape", "expected"), [((), (3,)), ((3, 1, 1), (3,)), ((1, 3, 1, 1), (3,)), ((5,), (3, 4, 5))]
)
def test_parameters_broadcast_as_in_torch(
    shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    threshold = torch.arange(1, 1 + int(np.prod(shape))).reshape(shape) / 4
    layer = snntorch.Leaky(beta=0.5, threshold=threshold, init_hidden=True)
    net = float_net(nn.Sequential(layer), ConvertOptions(input_shape=(3, 4, 5), steps=3))
    (op,) = (node.op for node in net.of_type(FloatNeurons))
    assert isinstance(op, FloatNeurons)
    assert op.threshold.shape == expected
    whole = np.broadcast_to(threshold.numpy(), (1, 3, 4, 5))[0]
    np.testing.assert_array_equal(
        op.threshold.reshape(expected + (1,) * (3 - len(expected))) + np.zeros((3, 4, 5)), whole
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: snntorch.Leaky(0.5, state_quant=lambda x: x, init_hidden=True), "state_quant"),
        (lambda: snntorch.Leaky(0.5, threshold=0.0, init_hidden=True), "threshold of 0"),
        (lambda: snntorch.Leaky(float("nan"), init_hidden=True), "not finite"),
        (
            lambda: snntorch.Leaky(0.5, graded_spikes_factor=torch.ones(4), init_hidden=True),
            "graded_spikes_factor",
        ),
        (
            lambda: snntorch.Leaky(0.5, spike_grad=lambda x: (x >= 0).float(), init_hidden=True),
            "spike_grad",
        ),
        (lambda: snntorch.Lapicque(R=0.25, C=1.0, init_hidden=True), "keeps -3..-3"),
        (lambda: snntorch.Alpha(alpha=0.9, beta=0.8, init_hidden=True), "or Synaptic"),
        (
            lambda: snntorch.RSynaptic(
                alpha=0.5, beta=0.5, linear_features=4, reset_delay=False, init_hidden=True
            ),
            "RSynaptic with reset_delay=False",
        ),
        (lambda: snntorch.SLSTM(4, 4, init_hidden=True), "SLSTM"),
        (lambda: snntorch.LeakyParallel(4, 4), "LeakyParallel"),
    ],
)
def test_what_has_no_exact_form_is_refused_by_path(make: Any, said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        float_net(nn.Sequential(nn.Linear(4, 4), make()), ConvertOptions(input_shape=(4,), steps=3))
    assert any(line.startswith("1 ") and said in line for line in caught.value.violations), (
        caught.value
    )


def test_inhibition_is_refused_by_path() -> None:
    with pytest.warns(UserWarning, match="Inhibition"):
        layer = snntorch.Leaky(0.5, inhibition=True, init_hidden=True)
    with pytest.raises(UnsupportedError, match="1 has inhibition=True"):
        float_net(nn.Sequential(nn.Linear(4, 4), layer), ConvertOptions(input_shape=(4,), steps=3))


def test_a_subclass_is_refused_by_its_name() -> None:
    class Own(snntorch.Leaky):  # type: ignore[misc, name-defined]
        pass

    with pytest.raises(UnsupportedError, match=r"is a .*Own, a class of its own"):
        float_net(
            nn.Sequential(Own(0.5, init_hidden=True)), ConvertOptions(input_shape=(4,), steps=3)
        )


def test_another_reset_than_that_of_the_construction_is_refused() -> None:
    layer = snntorch.Leaky(0.5, init_hidden=True)
    layer.reset_mechanism = "zero"
    with pytest.raises(UnsupportedError, match="another one when it was made"):
        float_net(nn.Sequential(layer), ConvertOptions(input_shape=(4,), steps=3))


def test_a_layer_that_raises_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), snntorch.Leaky(0.5, threshold=torch.ones(3)))
    with pytest.raises(
        UnsupportedError, match="the model raised RuntimeError in 1 when it was run"
    ):
        float_net(model, ConvertOptions(input_shape=(4,), steps=3))


@given(
    kind=st.sampled_from(CLASSES),
    reset=st.sampled_from(RESETS),
    delay=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40)
def test_graphs_of_dyadic_neurons_fire_where_snntorchs_do(
    kind: str, reset: str, delay: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    delay = delay or kind in ("Lapicque", "RSynaptic")
    model = nn.Sequential(nn.Linear(6, 5), neurons(kind, reset, delay, 5, rng))
    with torch.no_grad():
        for values in model[0].parameters():
            values.copy_(torch.tensor(rng.integers(-20, 30, values.shape) * UNIT))
    model.double()
    options = ConvertOptions(input_shape=(6,), steps=STEPS, input_range=(0, 1), input_scale=1.0)
    samples = rng.integers(0, 2, (8, STEPS, 6))
    made = quantise(float_net(model, options), options, "net")
    assert made.exact
    expected = activity(model, options, samples)["1"]
    found = interpret(made.graph, samples).values[made.nodes["1"]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", CLASSES)
def test_float32_neurons_with_snntorchs_own_surrogates(kind: str, reset: str) -> None:
    """Few enough steps that float32 does not round."""
    rng = np.random.default_rng(5)
    layer = neurons(kind, reset, True, 5, rng, spike_grad=None).float()
    model = nn.Sequential(nn.Identity(), layer)
    options = ConvertOptions(input_shape=(5,), steps=8)
    samples = currents(rng, 5)[:, :8]
    net = float_net(model, options)
    (name,) = (node.name for node in net.of_type(FloatNeurons))
    found = np.stack([values[name] for values in run_steps(net, samples)], axis=1)
    expected = activity(model, options, samples)["1"]
    assert expected.any()
    np.testing.assert_array_equal(found, expected)
