"""The order in which a torch module runs its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield sequences and what they hold in the order of execution, with repetitions."""
    yield path, module
    if is_sequence(module):
        # Not named_children(), which leaves repetitions out.
        for key, child in module._modules.items():
            yield from walk(child, f"{path}.{key}" if path else key)


def walk_all(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield what `walk` does, and what the branches of residual blocks hold."""
    from edgespike.nn.layers.residual import Residual

    for path, part in walk(module):
        yield path, part
        if type(part) is Residual:
            for name in ("body", "shortcut"):
                for inner, held in walk_all(part.get_submodule(name)):
                    yield ".".join(filter(None, (path, name, inner))), held


def is_sequence(module: Any) -> bool:
    """Return whether a module is a plain sequence, which runs what it holds one by one."""
    from torch import nn

    # A subclass may do something else with what it holds.
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
