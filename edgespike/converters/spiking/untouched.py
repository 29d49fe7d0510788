"""A model that is run and afterwards is what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put a model into evaluation mode; at the end, restore what its modules hold."""
    saved = [
        (module, dict(vars(module)), [(held, dict(held)) for held in _dictionaries(module)])
        for module in model.modules()
    ]
    try:
        model.eval()
        yield
    finally:
        for module, attributes, held in saved:
            vars(module).clear()
            vars(module).update(attributes)
            for dictionary, content in held:
                dictionary.clear()
                dictionary.update(content)


def _dictionaries(module: Any) -> list[Any]:
    """Return the dictionaries that a module holds: parameters, buffers, states."""
    return [value for value in vars(module).values() if isinstance(value, dict)]
