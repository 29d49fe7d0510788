"""The penalty of nets with snnTorch's neurons is the count of the graphs that they become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import edgespike  # noqa: E402
from edgespike.counting import Convention  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.nn import SpikePenalty  # noqa: E402
from edgespike.nn.layers.penalty import Kind  # noqa: E402
from tests.converters.spiking.nets import Dense, convolutional, dyadic, exact_spike  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 5
LEVELS = 4
"""Numbers of an input, which are real values for the first layer and no events."""


def neurons(**more: Any) -> Any:
    return snntorch.Leaky(beta=0.5, threshold=0.5, spike_grad=exact_spike, **more)


class Looped(nn.Module):
    """A drawn net: grouped, strided and padded convolutions, and pools as modules or functions."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        drawn = np.random.default_rng(seed)
        groups, stride, padding = (int(drawn.integers(low, 3)) for low in (1, 1, 0))
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.lif1 = neurons()
        self.pool = [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Identity()][drawn.integers(3)]
        self.conv2 = nn.Conv2d(4, 6, (2, 3), stride, padding, groups=groups)
        self.lif2 = neurons()
        self.as_function = bool(drawn.integers(2))
        self.mean = bool(drawn.integers(2))
        with torch.no_grad():
            features = self._before(self.conv2(self.pool(torch.zeros(1, 4, 10, 10)))).shape[1]
        self.fc = nn.Linear(features, 5)
        self.lif3 = neurons()

    def _before(self, spikes: Any) -> Any:
        if self.as_function:
            pool = functional.avg_pool2d if self.mean else functional.max_pool2d
            spikes = pool(spikes, 2)
        return spikes.view(len(spikes), -1)

    def forward(self, x: Any) -> Any:
        mem1, mem2, mem3 = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
        record = []
        for _ in range(STEPS):
            spk, mem1 = self.lif1(self.conv1(x), mem1)
            spk, mem2 = self.lif2(self.conv2(self.pool(spk)), mem2)
            spk, mem3 = self.lif3(self.fc(self._before(spk)), mem3)
            record.append(spk)
        return torch.stack(record)


class Feedback(nn.Module):
    """Recurrent neurons, whose reset to zero runs the recurrent layer twice in a step."""

    def __init__(self, reset: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(16, 12)
        common = {"beta": 0.5, "spike_grad": exact_spike, "reset_mechanism": reset}
        self.lif1 = snntorch.RLeaky(linear_features=12, **common)
        self.fc2 = nn.Linear(12, 5)
        self.lif2 = snntorch.Leaky(**common)

    def forward(self, x: Any) -> Any:
        (spk, mem1), mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        record = []
        for _ in range(STEPS):
            spk, mem1 = self.lif1(self.fc1(x), spk, mem1)
            last, mem2 = self.lif2(self.fc2(spk), mem2)
            record.append(last)
        return torch.stack(record)


def counted(model: Any, images: Any, **more: Any) -> int:
    """Count synaptic operations on the graph that a net becomes, in the layers of the module.

    A graph's readout adds up the spikes of the last neurons, in a node ``..._sums``.
    """
    graph = edgespike.convert(
        model, images.shape[1:], input_range=(0, LEVELS - 1), input_scale=1 / LEVELS, **more
    )
    layers = edgespike.count(graph, images).layers
    return sum(
        int(layer.synaptic_operations[Convention.EVERY].sum())
        for layer in layers
        if not layer.name.endswith("_sums")
    )


def images_of(shape: tuple[int, ...], count: int = 6) -> tuple[Any, Any]:
    """Draw whole numbers as the graph takes them, and the real ones that the net takes."""
    whole = np.random.default_rng(1).integers(0, LEVELS, (count, *shape))
    return whole, torch.from_numpy(whole / LEVELS)


@pytest.mark.parametrize("seed", range(8))
def test_fan_out_times_spikes_is_the_count_of_the_graph(seed: int) -> None:
    model = dyadic(Looped(seed), seed)
    images, given = images_of((1, 10, 10))
    expected = counted(model, images)
    received: dict[str, Any] = {}
    with SpikePenalty(model, given[:2]) as penalty, torch.no_grad():
        fan_out = penalty.fan_out()
        layers = [(name, model.get_submodule(name)) for name in fan_out]
        hooks = [
            layer.register_forward_pre_hook(
                lambda _, entering, name=name: received.setdefault(name, []).append(entering[0])
            )
            for name, layer in layers
        ]
        model(given)
        for hook in hooks:
            hook.remove()
        assert penalty().item() * len(images) == pytest.approx(expected, rel=1e-12)
        assert penalty.synaptic_operations() == penalty()
    assert list(fan_out) == ["conv2", "fc"]
    # The same sum by hand; a mean of a window of 4 stands for four times as many spikes.
    window = {
        "conv2": 4 if isinstance(model.pool, nn.AvgPool2d) else 1,
        "fc": 4 if model.as_function and model.mean else 1,
    }
    by_hand = sum(
        float((entering * window[name] * fan_out[name]).sum())
        for name, steps in received.items()
        for entering in steps
    )
    assert by_hand == expected > 0


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_recurrent_layers_are_counted_once_a_step(reset: str) -> None:
    model = dyadic(Feedback(reset), 1)
    images, given = images_of((16,), 20)
    expected = counted(model, images)
    with SpikePenalty(model, given[:1]) as penalty, torch.no_grad():
        model(given)
        assert list(penalty.fan_out()) == ["lif1.recurrent", "fc2"]
        assert penalty().item() * len(images) == pytest.approx(expected, rel=1e-12)
    assert expected > 0


def test_a_loop_outside_the_model_is_one_record() -> None:
    model = dyadic(convolutional(), 3)
    images, given = images_of((1, 6, 6))
    expected = counted(model, images, steps=STEPS)
    with SpikePenalty(model.eval(), given, steps_outside=True) as penalty, torch.no_grad():
        for _ in range(2):  # the record begins anew after the penalty was asked for
            for part in model:
                if hasattr(part, "reset_mem"):
                    part.reset_mem()
            for _ in range(STEPS):
                model(given)
            total = penalty().item() * len(images)
            assert penalty.synaptic_operations().item() * len(images) == pytest.approx(total)
            assert total == pytest.approx(expected, rel=1e-12)


def test_the_kinds_count_the_spikes_of_neurons_that_reach_synapses() -> None:
    model, (_, given) = dyadic(Dense(STEPS), 2), images_of((16,))
    spikes: list[Any] = []
    hook = model.lif1.register_forward_hook(lambda _, __, output: spikes.append(output[0]))
    model(given)
    hook.remove()
    rate = float(torch.stack(spikes).sum(dim=0).mean())  # of 20 neurons, over all steps
    expected_of: dict[Kind, int] = {"synaptic": 100, "spike_count": 20, "layer_balanced": 1}
    for kind, expected in expected_of.items():
        for p in (1, 2):
            with SpikePenalty(model, given, kind, p) as penalty:
                model(given)
                assert penalty().item() == pytest.approx(expected * rate / p)
    assert rate > 0


def test_steps_in_front_of_samples() -> None:
    class Stepped(Dense):
        def forward(self, x: Any) -> Any:
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            for step in x:
                spk, mem1 = self.lif1(self.fc1(step), mem1)
                _, mem2 = self.lif2(self.fc2(spk), mem2)
            return mem2

    model, (_, given) = dyadic(Stepped(STEPS), 2), images_of((16,))
    x = given.expand(STEPS, *given.shape)
    other = dyadic(Dense(STEPS), 2)
    with SpikePenalty(model, x, samples_axis=1) as penalty, SpikePenalty(other, given) as expected:
        model(x), other(given)
        assert penalty().item() == expected().item() > 0


def test_training_with_the_penalty_silences_neurons() -> None:
    torch.manual_seed(0)
    model = Dense(STEPS)
    for lif in (model.lif1, model.lif2):
        lif.spike_grad = snntorch.surrogate.atan()
    given = torch.rand(64, 16)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    operations = []
    penalty = SpikePenalty(model, given[:1])
    for _ in range(40):
        spikes, _ = model(given)
        loss = 1e-4 * spikes.sum()
        loss = loss + 1e-2 * penalty()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        operations.append(penalty.synaptic_operations().item())
    assert operations[-1] < operations[0] / 4


def test_a_model_is_left_as_it_was() -> None:
    model = convolutional()
    model[1].train(), model[6].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    mem = model[1].mem
    state = torch.random.get_rng_state()
    SpikePenalty(model, torch.ones(2, 1, 6, 6), steps_outside=True).close()
    assert model[1].mem is mem
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


class Own(nn.Module):
    """A neuron of one's own."""

    def forward(self, u: Any) -> Any:
        return (u > 0).float() + u - u.detach()


class OwnNet(nn.Module):
    def __init__(self, between: Any = None, twice: bool = False) -> None:
        super().__init__()
        self.fc1, self.spike, self.fc2 = nn.Linear(4, 4), Own(), nn.Linear(4, 4)
        self.between, self.twice = between, twice

    def forward(self, x: Any) -> Any:
        spikes = self.spike(self.fc1(x))
        if self.between:
            spikes = self.between(spikes)
        y = self.fc2(spikes)
        return self.fc2(x) + y if self.twice else y


def test_neurons_of_ones_own_are_named() -> None:
    model, x = OwnNet(), torch.ones(3, 4)
    with pytest.raises(UnsupportedError, match=r"name neurons of your own \(neurons=\[MyNeuron"):
        SpikePenalty(model, x)
    for named in (Own, model.spike):
        with SpikePenalty(model, x, neurons=[named]) as penalty:
            model(x)
            fired = float((model.fc1(x) > 0).sum()) / 3
            assert penalty().item() == pytest.approx(4 * fired)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (OwnNet(lambda s: s * 0.5), "fc2 receives what the function mul made of events"),
        (OwnNet(lambda s: s @ torch.ones(4, 4)), "the function matmul has weights that events"),
        (OwnNet(lambda s: s + s.flip(1)), "receives what the function flip made of events"),
        (OwnNet(twice=True), "fc2 receives both events and other values"),
    ],
)
def test_what_cannot_be_counted_is_refused_at_once(model: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        SpikePenalty(model, torch.ones(2, 4), neurons=[Own])
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_neurons_that_send_other_values_are_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4))
    with pytest.raises(UnsupportedError, match="1 sends fractions of spikes in the example"):
        SpikePenalty(model, torch.ones(2, 4), neurons=[nn.Sigmoid])


def test_neurons_that_feed_only_themselves_are_refused() -> None:
    model = nn.Sequential(
        nn.Linear(4, 4),
        snntorch.RLeaky(beta=0.5, V=1.0, all_to_all=False, init_hidden=True),
        nn.Linear(4, 2),
    )
    with pytest.raises(UnsupportedError, match=r"1\.recurrent .*returns to its own neuron only"):
        SpikePenalty(model, torch.ones(2, 4), steps_outside=True)
