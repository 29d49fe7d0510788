"""Run a spiking graph of several steps in snnTorch and in SpikingJelly, both in float32.

The weights are the graph's integers. SpikingJelly's neurons then do what the graph's do, exactly
where nothing leaks. snnTorch's fire only above their threshold and reset a step later; that makes
no difference to the speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import snntorch
import torch
from snntorch import utils
from snntorch_net import weighted
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from edgespike.graph import Conv2d, Dense, Graph, Membrane, Readout, Reshape, SumPool2d
from edgespike.graph.ops.base import Op

Run = Callable[[torch.Tensor], torch.Tensor]
"""Takes inputs ``(steps, samples, *shape)``, returns sums over the steps ``(samples, classes)``."""


def snntorch_run(graph: Graph) -> Run:
    """Return a loop over the steps, as snnTorch's tutorials write it."""
    net = nn.Sequential(*_modules(graph, _leaky)).eval()

    def run(batch: torch.Tensor) -> torch.Tensor:
        utils.reset(net)
        total: torch.Tensor = sum(net(step) for step in batch)
        return total

    return run


def spikingjelly_run(graph: Graph) -> Run:
    """Return a net that takes all steps at once, layer by layer: SpikingJelly's faster way."""
    modules = list(_modules(graph, _spikingjelly_neurons))
    net = nn.Sequential(
        *(
            each if isinstance(each, neuron.BaseNode) else layer.SeqToANNContainer(each)
            for each in modules
        )
    ).eval()

    def run(batch: torch.Tensor) -> torch.Tensor:
        functional.reset_net(net)
        total: torch.Tensor = net(batch).sum(0)
        return total

    return run


def _modules(graph: Graph, neurons: Callable[[Membrane], nn.Module]) -> Iterator[nn.Module]:
    for node in graph.nodes[1:]:
        if isinstance(node.op, Membrane):
            yield neurons(node.op)
        elif not isinstance(node.op, Readout):
            yield _stateless(node.op)


def _stateless(op: Op) -> nn.Module:
    match op:
        case Conv2d() | Dense():
            return weighted(op)
        case SumPool2d():
            return nn.AvgPool2d(op.kernel, op.stride, divisor_override=1)
        case Reshape():
            return nn.Flatten()
    raise SystemExit(f"{op.kind} cannot be translated")


def _leaky(op: Membrane) -> nn.Module:
    made: nn.Module = snntorch.Leaky(_kept(op), float(op.theta[0]), init_hidden=True)
    return made


def _spikingjelly_neurons(op: Membrane) -> nn.Module:
    theta, kept = float(op.theta[0]), _kept(op)
    made: nn.Module
    if kept == 1:
        made = neuron.IFNode(v_threshold=theta, v_reset=None, step_mode="m")
    else:
        tau = 1 / (1 - kept)
        made = neuron.LIFNode(tau, False, theta, None, step_mode="m")
    return made


def _kept(op: Membrane) -> float:
    """Return the part of a potential that is left after a step."""
    return 1 - float(op.decay) / op.decay_one
