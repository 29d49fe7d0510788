"""Run efficient neural networks bit for bit on neuromorphic and edge hardware, and know their cost.

Five lines are the whole pipeline::

    import edgespike

    graph = edgespike.convert(module, (1, 28, 28))  # or edgespike.load("model.safetensors")
    edgespike.export(graph, "loihi", "out/loihi")
    trace = edgespike.run(graph, samples, target="cpu")
    certificate = edgespike.verify(graph, samples, targets=["cpu", "tflite"])
    report = edgespike.estimate_energy(graph, samples)

Each name is imported when it is first used: ``import edgespike`` itself loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgespike.api import (
        compare,
        convert,
        count,
        ensemble,
        estimate_energy,
        export,
        load,
        prepare,
        run,
        save,
        verify,
    )
    from edgespike.errors import EdgespikeError
    from edgespike.graph import Graph

    __version__: str

_HOMES = {
    "EdgespikeError": "edgespike.errors",
    "Graph": "edgespike.graph",
    "compare": "edgespike.api",
    "convert": "edgespike.api",
    "count": "edgespike.api",
    "ensemble": "edgespike.api",
    "estimate_energy": "edgespike.api",
    "export": "edgespike.api",
    "load": "edgespike.api",
    "prepare": "edgespike.api",
    "run": "edgespike.api",
    "save": "edgespike.api",
    "verify": "edgespike.api",
}

__all__ = [
    "EdgespikeError",
    "Graph",
    "__version__",
    "compare",
    "convert",
    "count",
    "ensemble",
    "estimate_energy",
    "export",
    "load",
    "prepare",
    "run",
    "save",
    "verify",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("edgespike")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'edgespike' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
