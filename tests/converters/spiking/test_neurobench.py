"""NeuroBench's SNN2, trained by others, converts: its weights are read without unpickling code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from torch import nn  # noqa: E402

from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.snntorch import activity, float_net  # noqa: E402
from edgespike.floats.net import FloatNeurons  # noqa: E402
from edgespike.graph import Reset, ResetTime  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.quantise import quantise  # noqa: E402
from tests.public_models import FOLDER  # noqa: E402

FILE = FOLDER / "neurobench" / "SNN2_indy.pt"

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not FILE.exists(), reason=f"needs {FILE}"),
]

STEPS = 60


class SNN2(nn.Module):
    """As NeuroBench's repository builds it: states as attributes, one call for all steps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(96, 50, bias=False)
        self.fc_out = nn.Linear(50, 2, bias=False)
        self.lif1 = snntorch.Leaky(beta=0.96, reset_mechanism="zero")
        self.lif_out = snntorch.Leaky(beta=0.96, reset_mechanism="none")
        self.dropout = nn.Dropout(0.3)
        self.mem1: Any = None
        self.mem2: Any = None

    def step(self, x: Any) -> Any:
        spikes, self.mem1 = self.lif1(self.dropout(self.fc1(x.squeeze())), self.mem1)
        _, self.mem2 = self.lif_out(self.fc_out(spikes), self.mem2)
        return self.mem2.clone()

    def forward(self, x: Any) -> Any:
        return torch.stack([self.step(x[sample, ...]) for sample in range(x.shape[0])])


@pytest.fixture(scope="module")
def model() -> Any:
    made = SNN2()
    saved = torch.load(FILE, weights_only=True, map_location="cpu")
    made.load_state_dict(saved["model_state_dict"])
    return made


def test_its_layers_are_found(model: Any) -> None:
    net = float_net(model, ConvertOptions(input_shape=(96,), steps=STEPS))
    first, last = (node.op for node in net.of_type(FloatNeurons))
    assert isinstance(first, FloatNeurons)
    assert isinstance(last, FloatNeurons)
    assert (first.reset, first.reset_time) == (Reset.ZERO, ResetTime.SAME_STEP)
    assert last.reset is Reset.NONE
    assert last.emits_potential
    assert "potential at the last step" in net.assumed[0]


@pytest.mark.parametrize(("bits", "most"), [(16, 0), (8, 60)])
def test_its_hidden_spikes_at_several_bits(model: Any, bits: int, most: int) -> None:
    options = ConvertOptions(
        input_shape=(96,), steps=STEPS, input_range=(0, 3), input_scale=1.0, bits=bits
    )
    x = np.random.default_rng(0).poisson(0.1, (20, STEPS, 96)).clip(0, 3)
    made = quantise(float_net(model, options), options, "snn2")
    spikes = activity(model, options, x)["lif1"]
    assert spikes.sum() > 150
    found = interpret(made.graph, x).values[made.nodes["lif1"]]
    assert int((found != spikes).sum()) <= most
