"""Graphs of SpikingJelly's nets spike as SpikingJelly does."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from tests.converters.nir import simulators  # noqa: E402

sys.path.append(str(simulators.folder("spikingjelly")))  # used where no other is installed
try:
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
except ImportError as missing:
    reason = f"needs spikingjelly 2.0.0: {missing}; run {simulators.COMMAND}"
    pytest.skip(reason, allow_module_level=True)
finally:
    sys.path.pop()

from torch import nn  # noqa: E402

from edgespike.converters import choosing  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.checking import check_source  # noqa: E402
from edgespike.converters.spikingjelly import activity, float_net  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.quantise import quantise  # noqa: E402
from tests.converters.spiking.nets import dyadic  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 12
KINDS = ("if", "lif", "lif, whole input", "plif", "cuba")


def node(kind: str, v_reset: float | None, **more: Any) -> Any:
    common = {"v_reset": v_reset, "v_threshold": 1.0, **more}
    if kind == "if":
        return neuron.IFNode(**common)
    if kind == "plif":
        return neuron.ParametricLIFNode(init_tau=2.0, **common)
    if kind == "cuba":
        common["v_reset"] = None if v_reset is None else 0.0
        return neuron.CUBALIFNode(c_decay=0.5, v_decay=0.5, **common)
    return neuron.LIFNode(tau=4.0, decay_input=kind == "lif", **common)


def options(shape: tuple[int, ...] = (16,)) -> ConvertOptions:
    return ConvertOptions(input_shape=shape, steps=STEPS, input_range=(0, 1), input_scale=1.0)


@given(
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    v_reset=st.sampled_from([None, 0.0, -0.5]),
    mode=st.sampled_from("sm"),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_dyadic_nets_spike_equally(
    kinds: tuple[str, str], v_reset: float | None, mode: str, seed: int
) -> None:
    model = nn.Sequential(
        layer.Linear(16, 12), node(kinds[0], v_reset), layer.Linear(12, 5), node(kinds[1], v_reset)
    )
    model = dyadic(model, seed, largest=20)
    functional.set_step_mode(model, mode)
    samples = np.random.default_rng(seed).integers(0, 2, (20, STEPS, 16))
    made = quantise(float_net(model, options()), options(), "net")
    values = interpret(made.graph, samples).values
    for path, spikes in activity(model, options(), samples).items():
        np.testing.assert_array_equal(values[made.nodes[path]], spikes)
    functional.reset_net(model)
    x = torch.tensor(samples).double().transpose(0, 1)
    with torch.no_grad():
        expected = model(x) if mode == "m" else torch.stack([model(step) for step in x])
    found = values[made.nodes["3"]]
    np.testing.assert_array_equal(found, expected.transpose(0, 1).numpy())


def test_a_convolutional_net() -> None:
    model = dyadic(
        nn.Sequential(
            layer.Conv2d(1, 4, 3, padding=1, bias=False),
            node("lif", 0.0),
            layer.MaxPool2d(2, 2),
            layer.Flatten(),
            layer.Dropout(0.5),
            layer.Linear(36, 5, bias=False),
            node("if", None),
        ),
        largest=20,
    )
    samples = np.random.default_rng(0).integers(0, 2, (20, STEPS, 1, 6, 6))
    given = options((1, 6, 6))
    made = quantise(float_net(model, given), given, "net")
    values = interpret(made.graph, samples).values
    for path, spikes in activity(model, given, samples).items():
        assert spikes.any()
        np.testing.assert_array_equal(values[made.nodes[path]], spikes)


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("unit", [2.0**-4, 0.043])
def test_the_module_itself_is_compared_with_the_graph(mode: str, unit: float) -> None:
    model = dyadic(
        nn.Sequential(
            layer.Linear(16, 12), node("lif", 0.0), layer.Linear(12, 5), node("plif", None)
        )
    )
    with torch.no_grad():
        for values in model.parameters():
            values *= unit * 16 if values.ndim else 1
    functional.set_step_mode(model, mode)
    found = choosing.for_model(model).convert(model, options()).quantised
    assert found is not None
    check = check_source(found, np.random.default_rng(0).integers(0, 2, (20, STEPS, 16)))
    assert found.exact == (unit == 2.0**-4)
    assert not check.failed
    assert [part.path for part in check.parts] == ["1", "3", "readout"]
    if found.exact:
        assert [part.different for part in check.parts] == [0, 0, None]


def test_a_model_keeps_its_step_mode_and_states() -> None:
    model = nn.Sequential(layer.Linear(16, 4), neuron.LIFNode())
    functional.set_step_mode(model, "m")
    with torch.no_grad():
        model(torch.ones(3, 2, 16))
    state = model[1].v
    float_net(model, options())
    assert model[0].step_mode == model[1].step_mode == "m"
    assert model[1].v is state


def test_layers_of_all_steps_in_a_forward_of_its_own_are_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = layer.Linear(16, 4), neuron.LIFNode()

        def forward(self, x: Any) -> Any:
            return self.second(self.first(x)).mean(0)

    model = Net()
    functional.set_step_mode(model, "m")
    with pytest.raises(UnsupportedError, match="first, second"):
        float_net(model, options())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (neuron.QIFNode, "use one of IFNode"),
        (lambda: neuron.IFNode(v_threshold=0.0), "must be larger"),
        (lambda: neuron.CUBALIFNode(v_reset=-1.0), "leaks to zero"),
        (
            lambda: neuron.IFNode(surrogate_function=surrogate.Sigmoid(spiking=False)),
            "surrogate_function",
        ),
    ],
)
def test_what_has_no_exact_form_is_refused_by_path(make: Any, said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        float_net(nn.Sequential(layer.Linear(16, 4), make()), options())
    assert any(line.startswith("1 ") and said in line for line in caught.value.violations), (
        caught.value
    )


def test_the_converter_is_chosen() -> None:
    model = nn.Sequential(layer.Linear(16, 4), neuron.LIFNode())
    assert choosing.for_model(model).converter.name == "spikingjelly"
