"""The compiled engine, loaded when it is first asked for; why it is missing, if it is."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

_MODULE = f"{__package__}._engine"

_BUILD_IT = (
    "install a C compiler such as gcc, then install edgespike again: 'pip install -e .' in a "
    "checkout, else 'pip install --no-cache-dir --force-reinstall --no-deps --no-binary edgespike "
    "edgespike'"
)


def library() -> tuple[Any, Any]:
    """Return cffi's ``ffi`` and ``lib`` of the engine; raise ImportError if it is `missing`."""
    module = _module()
    if isinstance(module, ImportError):
        raise ImportError(missing()) from module
    return module.ffi, module.lib


def missing() -> str:
    """Return why the engine cannot be loaded and the way out; an empty text if it can."""
    module = _module()
    if not isinstance(module, ImportError):
        return ""
    if isinstance(module, ModuleNotFoundError):
        if module.name == _MODULE:
            return f"the native engine was not built; {_BUILD_IT}"
        return "the native engine needs cffi: 'pip install cffi'"
    return f"the native engine cannot be loaded here ({module}); {_BUILD_IT}"


def kernel_sets() -> tuple[str, ...]:
    """Return the names of the kernel sets that run here, fastest first; none if it is `missing`."""
    if missing():
        return ()
    ffi, lib = library()
    names: list[str] = []
    while name := lib.es_kernels(len(names)):
        names.append(ffi.string(name).decode())
    return tuple(names)


def _module() -> ModuleType | ImportError:
    try:
        return import_module(_MODULE)
    except ImportError as error:
        return error
