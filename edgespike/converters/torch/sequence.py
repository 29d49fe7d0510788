"""The order in which a torch module runs its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgespike.converters.torch.wrapping import called_parts, uses_torchs_calls

DEPTH_LIMIT = 200
"""How deep modules may be nested; torch cannot run many more."""

Parts = list[tuple[str, Any]]


def walk(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield sequences and what they hold in the order of execution, with repetitions."""
    yield path, module
    for key, child in parts_of(module) or []:
        yield from walk(child, joined(path, key))


def walk_all(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what `walk` does, and what the branches of residual blocks hold."""
    from edgespike.nn.layers.residual import Residual

    for place, part in walk(module, path):
        yield place, part
        if type(part) is Residual:
            for name in ("body", "shortcut"):
                yield from walk_all(part.get_submodule(name), joined(place, name))


def too_deep(module: Any) -> str | None:
    """Return a violation if modules are nested too deep."""
    waiting = [("", module, 0)]
    while waiting:
        path, part, depth = waiting.pop()
        if depth > DEPTH_LIMIT:
            return (
                f"{path[:40]}... is inside {depth} other modules; the limit is {DEPTH_LIMIT}, put "
                "their layers into fewer sequences"
            )
        # Not named_children(), which leaves repetitions out.
        held = [(joined(path, key), child, depth + 1) for key, child in _children(part)]
        waiting += reversed(held)
    return None


def _children(module: Any) -> Parts:
    return list(getattr(module, "_modules", {}).items())


def joined(path: str, key: str) -> str:
    """Return the path of a module in another one."""
    return f"{path}.{key}" if path else key


def parts_of(module: Any) -> Parts | None:
    """Return the parts that a module runs one by one; ``None`` if it may do something else.

    Such a module is a Sequential, one whose ``forward`` provably only calls its parts, or one of
    torch's wrappers for compiling a module or running it on several devices.
    """
    from torch import nn

    if isinstance(module, nn.Sequential) and _runs_in_order(type(module)):
        return _children(module)
    if type(module) in (nn.DataParallel, nn.parallel.DistributedDataParallel):
        return [("module", module.module)]
    if is_compiled(module):
        return [("_orig_mod", module._orig_mod)]
    return called_parts(module)


def _runs_in_order(kind: type[Any]) -> bool:
    """Return whether a subclass of Sequential does nothing else with what it holds."""
    from torch import nn

    return uses_torchs_calls(kind) and all(
        getattr(kind, name) is getattr(nn.Sequential, name) for name in ("forward", "__iter__")
    )


def is_compiled(module: Any) -> bool:
    """Return whether ``torch.compile`` made a module."""
    # By name, because importing the compiler takes seconds.
    kind = type(module)
    return (kind.__module__, kind.__name__) == ("torch._dynamo.eval_frame", "OptimizedModule")


def uncompiled(module: Any) -> Any:
    """Return the module inside one that ``torch.compile`` made; any other as it is."""
    return module._orig_mod if is_compiled(module) else module


def without_effect() -> tuple[type, ...]:
    """Return the types of modules that return their input in evaluation mode."""
    from torch import nn

    return (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)


def order_preserving() -> tuple[type, ...]:
    """Return the types of modules that keep the order of the classes, whatever they receive."""
    from torch import nn

    return (nn.Softmax, nn.LogSoftmax)
