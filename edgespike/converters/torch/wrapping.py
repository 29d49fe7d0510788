"""Which parts a user's own module runs, proven from the code of its ``forward``."""

from __future__ import annotations

import dis
from types import CodeType, FunctionType
from typing import Any, NoReturn


def called_parts(module: Any) -> list[tuple[str, Any]] | None:
    """Return the parts that ``forward`` calls, each on what the one before it returned.

    ``forward`` is run with stand-ins for its module and its input. Its code may name only parts of
    the module, and a stand-in can only be called or passed on: looking at one is an error, and
    code that handles errors is not accepted. So the recorded calls are all that it ever does.

    Returns
    -------
    parts
        Names and modules in the order of execution; ``None`` if there is no such proof.
    """
    from torch import nn

    if not isinstance(module, nn.Module) or not uses_torchs_calls(type(module)):
        return None
    forward = type(module).forward
    if not isinstance(forward, FunctionType) or not _is_plain(forward.__code__):
        return None
    children = {name: child for name, child in module._modules.items() if child is not None}
    # An attribute of the instance or its class hides a part of the same name.
    children = {
        name: child
        for name, child in children.items()
        if name not in vars(module) and not hasattr(type(module), name)
    }
    if not set(forward.__code__.co_names) <= set(children):
        return None
    record = _Record()
    try:
        answer = forward(_Module(record), record.latest)
    except Exception:  # whatever a user's code raises
        return None
    if answer is not record.latest or not record.calls:
        return None
    return [(name, children[name]) for name in record.calls]


CALLS = ("__call__", "_wrapped_call_impl", "_call_impl", "_slow_forward")
"""The methods of a torch module between ``module(x)`` and ``forward``."""


def uses_torchs_calls(kind: Any) -> bool:
    """Return whether torch's own methods decide what ``module(x)`` and ``module.part`` do."""
    from torch import nn

    return kind.__getattribute__ is object.__getattribute__ and all(
        getattr(kind, name) is getattr(nn.Module, name) for name in ("__getattr__", *CALLS)
    )


def _is_plain(code: CodeType) -> bool:
    """Return whether code takes a module and an input, and reaches and handles nothing else.

    It compares nothing either: a part may return what it received, the stand-in does not.
    """
    steps = [step.opname for step in dis.get_instructions(code)]
    return (
        (code.co_argcount, code.co_kwonlyargcount) == (2, 0)
        and not (code.co_freevars or code.co_cellvars)
        and not any(isinstance(constant, CodeType) for constant in code.co_consts)
        and not any("GLOBAL" in step or step.startswith("SETUP_") for step in steps)
        and not {"COMPARE_OP", "CONTAINS_OP", "IS_OP"}.intersection(steps)
        and not getattr(code, "co_exceptiontable", b"")  # before Python 3.11, SETUP_FINALLY
    )


class _Opaque:
    """An object that cannot be looked at."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("forward looks at its input or its parts")

    __bool__ = __eq__ = __ne__ = __format__ = __repr__ = _refuse


class _Values(_Opaque):
    """What a part receives or returns."""

    __slots__ = ()


class _Record:
    """The parts that were called, and what the latest of them returned."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.latest = _Values()

    def call(self, name: str, x: object) -> _Values:
        """Record the call of a part."""
        if x is not self.latest:
            raise TypeError("it does not take what the part before it returned")
        self.calls.append(name)
        self.latest = _Values()
        return self.latest


class _Part(_Opaque):
    """A part, which can be called."""

    __slots__ = ("_name", "_record")

    def __init__(self, name: str, record: _Record) -> None:
        self._name, self._record = name, record

    def __call__(self, x: object) -> _Values:
        return self._record.call(self._name, x)


class _Module(_Opaque):
    """The module, which has parts and cannot be changed."""

    __slots__ = ("_record",)
    _record: _Record

    def __init__(self, record: _Record) -> None:
        object.__setattr__(self, "_record", record)

    def __getattr__(self, name: str) -> _Part:
        return _Part(name, self._record)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError("forward changes its module")

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError("forward changes its module")
