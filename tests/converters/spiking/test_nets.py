"""Graphs of snnTorch nets spike as snnTorch does, in every layer and step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from torch import nn  # noqa: E402

import edgespike  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.snntorch import activity, float_net  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.quantise import quantise  # noqa: E402
from edgespike.trace import logits  # noqa: E402
from tests.converters.spiking.nets import NETS, Dense, dyadic, exact_spike  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 25
SAMPLES = 200


def options(shape: tuple[int, ...], **more: Any) -> ConvertOptions:
    given = {"input_shape": shape, "steps": STEPS, "input_range": (0, 1), "input_scale": 1.0}
    return ConvertOptions(**{**given, **more})


def samples_of(name: str, shape: tuple[int, ...], count: int = SAMPLES) -> Any:
    """Return binary inputs, of each step where a net does not show the same at every step."""
    stepped = () if name.startswith("dense") else (STEPS,)
    return np.random.default_rng(0).integers(0, 2, (count, *stepped, *shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_dyadic_nets_spike_equally_in_every_layer_and_step(name: str) -> None:
    make, shape = NETS[name]
    model = dyadic(make())
    samples = samples_of(name, shape)
    made = quantise(float_net(model, options(shape)), options(shape), "net")
    assert made.exact
    values = interpret(made.graph, samples).values
    expected = activity(model, options(shape), samples)
    assert len(expected) == len([1 for part in model.modules() if hasattr(part, "threshold")])
    for path, spikes in expected.items():
        assert spikes.any()
        np.testing.assert_array_equal(values[made.nodes[path]], spikes)


@pytest.mark.parametrize("name", ["dense", "recurrent", "synaptic"])
def test_a_float32_net_spikes_equally_too(name: str) -> None:
    """Few steps, so that float32 does not round; snnTorch's own surrogates then do as well."""
    shape = NETS[name][1]
    model = dyadic(Dense(8) if name == "dense" else NETS[name][0]()).float()
    for part in model.modules():
        if hasattr(part, "spike_grad"):
            part.spike_grad = snntorch.surrogate.atan()
    samples = samples_of(name, shape, 50)
    samples = samples if name == "dense" else samples[:, :8]
    given = options(shape, steps=8)
    made = quantise(float_net(model, given), given, "net")
    values = interpret(made.graph, samples).values
    different = sum(
        int((values[made.nodes[path]] != spikes).sum())
        for path, spikes in activity(model, given, samples).items()
    )
    assert different == 0


@pytest.mark.parametrize(
    ("readout", "place", "reduce"),
    [
        (None, 0, lambda record: record.sum(0)),
        ("count", 0, lambda record: record.sum(0)),
        ("potential", 1, lambda record: record[-1]),
        ("sum", 1, lambda record: record.sum(0)),
        ("max", 1, lambda record: record.max(0)[0]),
    ],
)
def test_the_answers_of_each_readout(readout: str | None, place: int, reduce: Any) -> None:
    model = dyadic(Dense(STEPS))
    samples = samples_of("dense", (16,), 20)
    graph = edgespike.convert(model, (16,), input_range=(0, 1), input_scale=1.0, readout=readout)
    with torch.no_grad():
        expected = reduce(model(torch.tensor(samples).double())[place]).numpy()
    found = interpret(graph, samples).accumulators(graph)
    np.testing.assert_array_equal(logits(graph, found), expected)


@pytest.mark.parametrize("factor", [0.5, 2.0, -1.0])
def test_graded_spikes_are_folded_into_the_next_layer(factor: float) -> None:
    common = {"beta": 0.5, "init_hidden": True, "spike_grad": exact_spike}
    model = dyadic(
        nn.Sequential(
            nn.Linear(16, 12),
            snntorch.Leaky(graded_spikes_factor=factor, reset_delay=False, **common),
            nn.Linear(12, 5),
            snntorch.Leaky(**common),
        )
    )
    samples = samples_of("graded", (16,), 20)
    made = quantise(float_net(model, options((16,))), options((16,)), "net")
    values = interpret(made.graph, samples).values
    expected = activity(model, options((16,)), samples)
    assert expected["3"].any()
    np.testing.assert_array_equal(values[made.nodes["1"]], expected["1"])
    np.testing.assert_array_equal(values[made.nodes["3"]], expected["3"])


def test_pools_norms_sums_and_joins_between_neurons() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            common = {"beta": 0.5, "init_hidden": True, "spike_grad": exact_spike}
            self.conv = nn.Conv2d(2, 4, 3, padding="same", bias=False)
            self.norm = nn.BatchNorm2d(4, eps=0.0)
            self.first = snntorch.Leaky(**common)
            self.second = snntorch.Leaky(**common)
            self.pool = nn.AvgPool2d(2)
            self.out = nn.Linear(32, 5)
            self.last = snntorch.Leaky(**common)

        def forward(self, x: Any) -> Any:
            x = self.first(self.norm(self.conv(x / 2)))
            x = torch.cat([self.second(x), x], dim=1)
            x = self.pool(x)
            return self.last(self.out(x.view(x.size(0), -1)))

    model = dyadic(Net(), largest=15)
    with torch.no_grad():
        model.norm.weight.copy_(torch.tensor([1, 0.5, 2, -1]))
        model.norm.bias.copy_(torch.tensor([0.5, 0, -0.25, 0.25]))
        model.norm.running_mean.copy_(torch.tensor([0.5, 0, 0.25, 0]))
        model.norm.running_var.copy_(torch.tensor([0.25, 1, 4, 1]))
    samples = samples_of("pools", (2, 4, 4), 20)
    made = quantise(float_net(model, options((2, 4, 4))), options((2, 4, 4)), "net")
    values = interpret(made.graph, samples).values
    for path, spikes in activity(model, options((2, 4, 4)), samples).items():
        assert spikes.any()
        np.testing.assert_array_equal(values[made.nodes[path]], spikes)


def test_the_graph_is_named_and_runs_on_cpu() -> None:
    graph = edgespike.convert(
        dyadic(Dense(5)), (16,), name="mine", input_range=(0, 1), input_scale=1.0
    )
    assert graph.name == "mine"
    assert graph.steps == 5
    assert edgespike.verify(graph, samples_of("dense", (16,), 4), ["cpu"]).equal
