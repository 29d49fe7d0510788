"""The compiled extension."""

from __future__ import annotations

from typing import Any


def library() -> tuple[Any, Any]:
    from edgespike.targets.cpu.native import _engine  # type: ignore[attr-defined]

    return _engine.ffi, _engine.lib


def kernel_sets() -> tuple[str, ...]:
    ffi, lib = library()
    names = []
    while (name := lib.es_kernels(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return tuple(names)
