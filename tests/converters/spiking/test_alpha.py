"""snnTorch's Alpha without a reset: a Synaptic of another threshold, a step later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from edgespike import verify  # noqa: E402
from edgespike.converters import conversion  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.checking import check_source  # noqa: E402
from edgespike.converters.snntorch import float_net  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.floats.net import FloatDelay, FloatNeurons  # noqa: E402
from edgespike.quantise.result import Quantised  # noqa: E402
from tests.available import available  # noqa: E402
from tests.converters.spiking.nets import dyadic, exact_spike  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 12


def alpha(first: Any = 0.5, second: Any = 0.25, **more: Any) -> Any:
    common = {"init_hidden": True, "spike_grad": exact_spike, "reset_mechanism": "none"}
    return snntorch.Alpha(alpha=first, beta=second, **{**common, **more})


def net(*neurons: Any, seed: int = 0) -> Any:
    return dyadic(nn.Sequential(nn.Linear(16, 12), neurons[0], nn.Linear(12, 5), neurons[1]), seed)


def options(**more: Any) -> ConvertOptions:
    return ConvertOptions(input_shape=(16,), steps=STEPS, input_range=(0, 1), **more)


def quantised(model: Any, **more: Any) -> Quantised:
    found = conversion(model, options(**more)).quantised
    assert found is not None
    return found


def samples(count: int = 30) -> Any:
    return np.random.default_rng(0).integers(0, 2, (count, STEPS, 16))


@given(
    betas=st.sampled_from([(0.5, 0.25), (0.5, 0.0), (0.25, 0.0)]),
    threshold=st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    factor=st.sampled_from([1.0, 0.5, 2.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=20)
def test_dyadic_ones_spike_equally_in_every_layer_and_step(
    betas: tuple[float, float], threshold: float, factor: float, seed: int
) -> None:
    """Thresholds stay dyadic where tau * (alpha - beta) is a power of two, as it is for these."""
    first = alpha(*betas, threshold=threshold)
    first.graded_spikes_factor.fill_(factor)
    model = net(first, alpha(), seed=seed)
    found = quantised(model)
    check = check_source(found, samples())
    assert found.exact
    assert not check.failed
    assert [part.different for part in check.parts] == [0, 0, None]


def test_spikes_come_a_step_later_from_a_synaptic() -> None:
    made = float_net(net(alpha(), alpha()), options())
    early, late = (node for node in made.nodes if node.path == "1")
    assert isinstance(early.op, FloatNeurons)
    assert isinstance(late.op, FloatDelay)
    assert (late.name, late.inputs) == ("1", ("1.early",))
    # tau is 2, and alpha - beta 0.25
    np.testing.assert_array_equal(early.op.threshold, np.full(12, 2.0))


@pytest.mark.parametrize(
    ("first", "second"), [(0.9, 0.8), (torch.tensor([0.9] * 11 + [0.7]), 0.3), (0.8, 0.0)]
)
def test_others_are_rounded_and_were_not_misread(first: Any, second: Any) -> None:
    model = net(alpha(first, second), alpha(first[:5] if torch.is_tensor(first) else 0.9, second))
    found = quantised(model, bits=12)
    check = check_source(found, samples())
    assert not found.exact
    assert not check.failed
    assert all((part.different or 0) < 0.01 * part.values for part in check.parts)


@pytest.mark.parametrize(
    "target", ["cpu", "tflite", pytest.param("loihi", marks=pytest.mark.loihi)]
)
def test_targets_compute_them(target: str) -> None:
    available(target)
    graph = quantised(net(alpha(0.9, 0.8), alpha(0.9, 0.8)), bits=8).graph
    assert verify(graph, samples(6), [target]).equal


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_resets_are_refused_with_the_way_out(reset: str) -> None:
    model = net(alpha(reset_mechanism=reset), alpha())
    with pytest.raises(UnsupportedError, match="use reset_mechanism='none', or Synaptic"):
        float_net(model, options())


def test_its_potential_is_no_answer() -> None:
    model = net(alpha(), alpha(output=True))
    with pytest.raises(UnsupportedError, match="3 gives its mem away; use its spikes"):
        float_net(model, options(readout="potential"))
