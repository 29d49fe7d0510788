"""What a torch module is made of, found without importing torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

OWN = "edgespike.nn."


def holds_own_layers(module: Any) -> bool:
    """Return whether a module is, or holds, a layer of :mod:`edgespike.nn` or of a subclass."""
    return any(
        base.__module__.startswith(OWN) for part in parts(module) for base in type(part).__mro__
    )


def parts(module: Any) -> Iterator[Any]:
    """Yield a module and all that it holds, each once, however deep."""
    waiting, seen = [module], set()
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += getattr(part, "_modules", {}).values()
