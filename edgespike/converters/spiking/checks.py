"""What is looked at before a module is run, or where it could not be run to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgespike.converters.spiking.layers import torch_layers
from edgespike.converters.spiking.recording import Recorder
from edgespike.converters.spiking.simulator import RefusedError, Simulator
from edgespike.converters.torch.sequence import uncompiled


def inner_module(model: Any) -> Any:
    """Return the module inside torch's wrappers for compiling and for several devices."""
    from torch import nn

    model = uncompiled(model)
    while type(model) in (nn.DataParallel, nn.parallel.DistributedDataParallel):
        model = uncompiled(model.module)
    return model


def changed_parts(model: Any) -> Iterator[str]:
    """Yield what may change the results of modules: hooks, and functions of single modules."""
    from torch.nn.modules import module as torch_modules

    if torch_modules._global_forward_hooks or torch_modules._global_forward_pre_hooks:
        yield (
            "torch has forward hooks for all modules, which may change what they compute; remove "
            "them first"
        )
    for path, module in model.named_modules():
        place = path or "the model"
        if module._forward_hooks or module._forward_pre_hooks:
            yield f"{place} has forward hooks, which may change what it computes; remove them first"
        if "forward" in vars(module):
            yield f"{place} has a forward function of its own; use its type's"


def unsupported_parts(model: Any, simulator: Simulator) -> Iterator[str]:
    """Yield the layers that cannot be converted, whether they were run or not."""
    recorder = Recorder(simulator)
    outer: list[str] = []
    for path, module in model.named_modules():
        if any(path.startswith(f"{each}.") for each in outer) or not recorder.is_leaf(module):
            continue
        outer.append(path)
        place = path or "the model"
        if not simulator.is_neuron(module):
            if simulator.layer_type(module) not in torch_layers():
                yield f"{place} is a {type(module).__qualname__}, which is not supported"
            continue
        try:
            simulator.check(module)
        except RefusedError as refused:
            yield from (f"{place} {reason}" for reason in refused.reasons)
