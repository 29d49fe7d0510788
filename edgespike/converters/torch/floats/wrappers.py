"""What stands around a module and its parts: wrappers are looked through, hooks refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgespike.converters.torch.refusals import global_refusals
from edgespike.converters.torch.sequence import is_compiled

if TYPE_CHECKING:
    from torch import nn


def unwrapped(module: Any) -> Any:
    """Return the module inside wrappers for several devices and for compiling, however many."""
    while (inner := _inside(module)) is not None:
        module = inner
    return module


def _inside(module: Any) -> Any:
    """Return what a wrapper holds; ``None`` for any other module."""
    from torch import nn

    if type(module) in (nn.DataParallel, nn.parallel.DistributedDataParallel):
        return module.module
    return module._orig_mod if is_compiled(module) else None


@contextmanager
def parts_unwrapped(module: nn.Module) -> Iterator[None]:
    """Put what is inside wrapped parts in their place, until the end of the block."""
    places = [
        (part, key, child)
        for part in module.modules()
        for key, child in part._modules.items()
        if child is not None and unwrapped(child) is not child
    ]
    compiled = [part for part in module.modules() if part._compiled_call_impl is not None]
    calls = [part._compiled_call_impl for part in compiled]
    try:
        for part, key, child in places:
            part._modules[key] = unwrapped(child)
        for part in compiled:
            part._compiled_call_impl = None
        yield
    finally:
        for part, key, child in places:
            part._modules[key] = child
        for part, call in zip(compiled, calls, strict=True):
            part._compiled_call_impl = call


def refusals(module: nn.Module) -> Iterator[str]:
    """Yield what keeps a module from being read, whatever its ``forward`` does."""
    yield from global_refusals()
    for place, part in _parts(module):
        if part._forward_hooks or part._forward_pre_hooks:
            yield (
                f"{place} has forward hooks, which may change what it computes; remove them first "
                "(those of pruning by torch.nn.utils.prune.remove, of the old weight_norm by "
                "torch.nn.utils.remove_weight_norm)"
            )
        if _is_script(part):
            yield (
                f"{place} is a TorchScript module, which holds no Python code to read; give the "
                "module that it was made from"
            )
    yield from _bad_values(unwrapped(module))


def _parts(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield wrappers around a module, then it and all that it holds, by their paths."""
    while (inner := _inside(module)) is not None:
        yield f"the {type(module).__name__} around the model", module
        module = inner
    for path, part in module.named_modules():
        yield path or "the model", part


def _is_script(part: Any) -> bool:
    return any(base.__module__.startswith("torch.jit") for base in type(part).__mro__)


def _bad_values(module: nn.Module) -> Iterator[str]:
    """Yield which parameters and statistics hold no values, or values that are not finite."""
    import torch

    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(tensor):
            yield f"{name} has no shape before the first call; run the model once, and train it"
        elif tensor.is_complex():
            yield f"{name} holds complex numbers; a graph computes with real ones"
        elif tensor.is_meta:
            yield (
                f"{name} is on the meta device, where tensors hold no values; load trained values "
                "with load_state_dict(..., assign=True)"
            )
        elif tensor.is_floating_point() and not (finite := torch.isfinite(tensor)).all():
            yield (
                f"{name} has {int((~finite).sum())} values that are not finite; train again from "
                "an earlier checkpoint"
            )
