"""The penalty of SpikingJelly's nets is the count of their graphs, step by step or all at once."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from tests.converters.nir import simulators  # noqa: E402

sys.path.append(str(simulators.folder("spikingjelly")))  # used where no other is installed
try:
    from spikingjelly.activation_based import functional, layer, neuron
except ImportError as missing:
    reason = f"needs spikingjelly 2.0.0: {missing}; run {simulators.COMMAND}"
    pytest.skip(reason, allow_module_level=True)
finally:
    sys.path.pop()

from torch import nn  # noqa: E402

import edgespike  # noqa: E402
from edgespike.counting import Convention  # noqa: E402
from edgespike.nn import SpikePenalty  # noqa: E402
from edgespike.nn.layers.penalty import KINDS  # noqa: E402
from tests.converters.spiking.nets import dyadic  # noqa: E402

pytestmark = pytest.mark.torch

STEPS, SAMPLES = 6, 5


def net(mode: str) -> Any:
    def spikes() -> Any:
        return neuron.LIFNode(tau=2.0, v_threshold=0.25, decay_input=False, v_reset=None)

    model = nn.Sequential(
        layer.Conv2d(1, 4, 3, padding=1, bias=False),
        spikes(),
        layer.AvgPool2d(2, 2),
        layer.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
        spikes(),
        layer.Flatten(),
        layer.Dropout(0.5),
        layer.Linear(24, 5, bias=False),
        spikes(),
    )
    functional.set_step_mode(model, mode)
    return dyadic(model, 1, largest=20).eval()


def counted(samples: Any) -> int:
    graph = edgespike.convert(
        net("s"), (1, 8, 8), steps=STEPS, input_range=(0, 3), input_scale=0.25
    )
    return sum(
        int(found.synaptic_operations[Convention.EVERY].sum())
        for found in edgespike.count(graph, samples).layers
        if not found.name.endswith("_sums")
    )


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_at_once_and_one_by_one_have_one_penalty(kind: Any, p: int) -> None:
    samples = np.random.default_rng(0).integers(0, 4, (SAMPLES, STEPS, 1, 8, 8))
    x = torch.from_numpy(samples * 0.25).transpose(0, 1)
    at_once, stepped = net("m"), net("s")
    with (
        SpikePenalty(at_once, x, kind, p, samples_axis=1) as first,
        SpikePenalty(stepped, x[0], kind, p, steps_outside=True) as second,
    ):
        at_once(x)
        for step in x:
            stepped(step)
        omega = first().item()
        assert omega == pytest.approx(second().item(), rel=1e-12)
        operations = first.synaptic_operations().item() * SAMPLES
        assert operations == pytest.approx(second.synaptic_operations().item() * SAMPLES)
    assert operations == pytest.approx(counted(samples), rel=1e-12)
    if kind == "synaptic":  # the power is taken before pools add spikes up
        assert omega * SAMPLES * p == pytest.approx(operations, rel=1e-12)
    assert omega > 0
