"""A module beside its graph: spikes are counted, and a wrong reading is told from rounding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from torch import nn  # noqa: E402

from edgespike.converters import conversion  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.checking import SourceCheck, check_source  # noqa: E402
from edgespike.floats.net import FloatNet, FloatNeurons  # noqa: E402
from edgespike.quantise.result import Quantised  # noqa: E402
from tests.converters.spiking.nets import NETS, Dense, dyadic  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 25


def quantised(model: Any, shape: tuple[int, ...], **more: Any) -> Quantised:
    steps = None if isinstance(model, Dense) else STEPS
    given = {"input_shape": shape, "steps": steps, "input_range": (0, 1), **more}
    found = conversion(model, ConvertOptions(**given)).quantised
    assert found is not None
    return found


def binary(shape: tuple[int, ...], count: int = 40) -> Any:
    return np.random.default_rng(1).integers(0, 2, (count, *shape))


def by_path(check: SourceCheck) -> dict[str, Any]:
    return {part.path: part for part in check.parts}


@pytest.mark.parametrize("name", NETS)
def test_an_exact_graph_has_all_spikes_of_the_module(name: str) -> None:
    make, shape = NETS[name]
    model = dyadic(make())
    found = quantised(model, shape)
    check = check_source(found, binary(shape))
    layers = [path for path, part in by_path(check).items() if part.different is not None]
    assert layers == [path for path, part in model.named_modules() if hasattr(part, "threshold")]
    assert found.exact
    assert not check.failed
    assert check.flipped == 0
    assert all((part.different or 0) == 0 and part.distance == 0 for part in check.parts)
    assert by_path(check)["readout"].values == 40 * found.graph.readout_op.classes


@pytest.mark.parametrize("readout", ["count", "potential", "max", "sum"])
def test_answers_of_every_kind_are_compared(readout: str) -> None:
    found = quantised(dyadic(Dense(5)), (16,), readout=readout)
    check = check_source(found, binary((16,)))
    assert not check.failed
    assert by_path(check)["readout"].distance == 0


def test_graded_spikes_are_counted_in_the_nets_units() -> None:
    model = dyadic(Dense(5, graded_spikes_factor=0.5))
    check = check_source(quantised(model, (16,)), binary((16,)))
    assert not check.failed
    assert by_path(check)["readout"].distance == 0


def trained(steps: int = STEPS) -> Dense:
    """A float32 net of real numbers, with the simulator's own surrogate."""
    torch.manual_seed(0)
    model = Dense(steps)
    with torch.no_grad():
        for layer in (model.fc1, model.fc2):
            layer.weight *= 3
    for neurons in (model.lif1, model.lif2):
        neurons.spike_grad = snntorch.surrogate.fast_sigmoid()
        neurons.beta.fill_(0.9)
    return model


def test_a_quantised_graph_differs_from_the_module_and_that_is_counted() -> None:
    coarse, fine = (
        check_source(quantised(trained(), (16,), bits=bits), binary((16,))) for bits in (4, 12)
    )
    assert not coarse.failed
    assert not fine.failed
    first, second = (by_path(check)["lif1"] for check in (coarse, fine))
    assert first.values == 40 * STEPS * 20
    assert first.different > 10 * second.different
    assert first.distance < 1e-3


def misread(found: Quantised, **wrong: Any) -> Quantised:
    """Return what a converter would give that reads the neurons of lif1 wrongly."""
    assert found.source is not None
    nodes = tuple(
        replace(node, op=replace(node.op, **{name: make(node.op) for name, make in wrong.items()}))
        if isinstance(node.op, FloatNeurons) and node.path == "lif1"
        else node
        for node in found.source.net.nodes
    )
    net = FloatNet(nodes, found.source.net.steps)
    return replace(found, source=replace(found.source, net=net))


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta": lambda op: op.beta * 0.99},
        {"threshold": lambda op: op.threshold * 1.01},
        {"bias": lambda op: np.full_like(op.threshold, 0.02)},
    ],
)
def test_neurons_that_were_read_wrongly_are_a_failure(wrong: Any) -> None:
    check = check_source(misread(quantised(trained(), (16,), bits=8), **wrong), binary((16,)))
    assert check.failed
    assert [part.path for part in check.parts if part.misread] == ["lif1"]


def test_what_float32_rounds_across_a_threshold_is_no_failure() -> None:
    """In float32, 1/3 is a little more, which three times gives 1, and more in float64."""
    linear = nn.Linear(1, 1, bias=False)
    model = nn.Sequential(linear, snntorch.Leaky(beta=1.0, init_hidden=True))
    with torch.no_grad():
        linear.weight.fill_(1 / 3)
    found = quantised(model, (1,), steps=9, bits=8, input_range=(0, 3))
    check = check_source(found, np.arange(4).reshape(-1, 1))
    assert by_path(check)["1"].distance > 0
    assert not check.failed


def test_the_module_is_left_as_it_was() -> None:
    model = trained(5)
    model.train()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    check_source(quantised(model, (16,)), binary((16,)))
    assert model.training
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())
