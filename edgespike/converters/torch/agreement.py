"""Whether a graph computes what the torch module it came from computes, neuron by neuron."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.builder import ConvertedActivation
from edgespike.converters.torch.modules import convert_parts
from edgespike.converters.torch.sequence import uncompiled
from edgespike.interpreter import interpret

if TYPE_CHECKING:
    from torch import nn

ROUNDING = 64
"""A potential is near a tie within this many roundings of the layer's largest potential."""


@dataclass(frozen=True)
class LayerAgreement:
    """How one activation of a module compares with its node in the graph.

    Parameters
    ----------
    path
        Of the module's activation.
    node
        Of the graph.
    neurons
        Values compared: neurons times samples, and times steps.
    near_ties
        Values whose membrane potential is so near to a threshold that the module's own arithmetic
        may round it across: within 64 roundings of the layer's largest potential.
    different
        Values that differ.
    unexplained
        Values that differ and are not near a tie. It must be 0.
    """

    path: str
    node: str
    neurons: int
    near_ties: int
    different: int
    unexplained: int


def agreement(
    module: nn.Module, input_shape: tuple[int, ...], samples: NDArray[Any]
) -> list[LayerAgreement]:
    """Convert a module, and compare each of its activations with the graph's.

    The graph is exact; a float module rounds. One rounding must not show up in all later layers
    and steps: each layer of the module receives what the graph's layer before it gave, and a
    recurrent layer what it gave itself in the step before.

    Parameters
    ----------
    module
        In float32 or float64: its own rounding decides what is near a tie. It runs in evaluation
        mode and is left unchanged.
    samples
        Whole numbers ``(samples, *input_shape)`` in the range of the module's input.

    Raises
    ------
    UnsupportedError
        The module cannot be converted, or the samples do not fit.
    """
    import torch

    from edgespike.evaluation_mode import evaluating

    builder = convert_parts(module, input_shape, "model")
    graph = builder.graph("model")
    trace = interpret(graph, samples)
    # By module, since the activations of a recurrent layer take turns at each step.
    waiting: dict[Any, list[tuple[ConvertedActivation, int]]] = {}
    for each in builder.activations:
        calls = [(each, call) for call in range(each.calls)]
        waiting.setdefault(module.get_submodule(each.path), []).extend(calls)
    found: dict[str, LayerAgreement] = {}

    def compare(activation: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        each, call = waiting[activation].pop(0)
        values = trace.values[each.node]
        here = values[:, call] if each.calls > 1 else values.reshape(output.shape)
        levels = torch.from_numpy(here).to(output) - activation.event_zero
        wrong = torch.round(output / activation.scale) != levels
        layer = _layer(each.path, each.node, wrong, _near_a_threshold(activation, inputs[0]))
        found[each.node] = _both(found[each.node], layer) if each.node in found else layer
        return levels * activation.scale

    dtype = next(module.parameters()).dtype
    hooks = [activation.register_forward_hook(compare) for activation in waiting]
    try:
        with torch.inference_mode(), evaluating(module):
            # Compiled code would not call the hooks.
            uncompiled(module)(torch.tensor(np.asarray(samples), dtype=dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return list(found.values())


def _layer(path: str, node: str, wrong: Any, near: Any) -> LayerAgreement:
    unexplained = int((wrong & ~near).sum())
    return LayerAgreement(path, node, wrong.numel(), int(near.sum()), int(wrong.sum()), unexplained)


def _both(layer: LayerAgreement, more: LayerAgreement) -> LayerAgreement:
    numbers = ("neurons", "near_ties", "different", "unexplained")
    sums = {name: getattr(layer, name) + getattr(more, name) for name in numbers}
    return replace(layer, **sums)


def _near_a_threshold(activation: Any, potential: Any) -> Any:
    import torch

    exact = [float(value) for value in activation.thresholds()]
    thresholds = torch.tensor(exact, dtype=potential.dtype, device=potential.device)
    after = torch.bucketize(potential, thresholds)
    distances = [
        (potential - thresholds[(after + shift).clamp(0, len(thresholds) - 1)]).abs()
        for shift in (-1, 0)
    ]
    rounding = ROUNDING * torch.finfo(potential.dtype).eps * potential.abs().max()
    return torch.minimum(*distances) <= rounding
