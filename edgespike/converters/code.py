"""Models that are given as Python code: ``mynet.py:Net``, a class, a function or an instance."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from edgespike.converters.base import ConvertOptions, class_distance
from edgespike.converters.result import Conversion
from edgespike.errors import InputError, UnsupportedError, shown
from edgespike.storage.files import opened

_CODE = re.compile(r"(?P<file>.+\.py)(?::(?P<name>[^:/\\]*))?")

_MODULE = "torch.nn.modules.module.Module"

_MESSAGE = 200
"""How many characters of an error's message are shown."""


def is_code(source: object) -> bool:
    """Return whether a source is written like the name of something in a file of Python code."""
    return _CODE.fullmatch(str(source)) is not None


def file_of(source: object) -> Path:
    """Return the file in which a source is: the source itself, unless it names something in it."""
    found = _CODE.fullmatch(str(source))
    return Path(found["file"] if found else str(source))


def convert_code(source: object, options: ConvertOptions) -> Conversion:
    """Make the model that a source names, give it the parameters of ``weights``, and convert it.

    Raises
    ------
    InputError
        See `model_in`.
    UnsupportedError, FileFormatError
        The parameters do not fit, or what the converter raises.
    """
    from edgespike.converters import choosing

    model = model_in(source)
    said: tuple[str, ...] = ()
    if options.weights is not None:
        if class_distance(model, _MODULE) is None:
            raise UnsupportedError(
                "model cannot be converted",
                [
                    f"weights is {shown(str(options.weights))}, but {source} is a "
                    f"{type(model).__qualname__}, no torch module; load them in the code"
                ],
            )
        from edgespike.converters.torch.weight_files import load_weights

        said = load_weights(model, options.weights)
    found = choosing.for_model(model).convert(model, replace(options, weights=None))
    return replace(found, said=(*said, *found.said))


def model_in(source: object) -> Any:
    """Run a file of the user's code, and return the model that a source names.

    A class is created without arguments, a function called without; an instance is taken as it
    is. What the code prints goes to standard error.

    Raises
    ------
    InputError
        The file cannot be read or run, or holds no model of that name that needs no arguments.
    """
    found = _CODE.fullmatch(str(source))
    if found is None:
        raise InputError(f"{shown(source)} names no Python code; give a file and a name in it")
    path, name = Path(found["file"]), found["name"]
    with opened(path):
        pass
    with _importable(path.resolve().parent), contextlib.redirect_stdout(sys.stderr):
        module = _run(path)
        if not name:
            raise InputError(
                f"{path} is Python code; name the model in it: {path}:{_some(module) or 'Net'}"
            )
        return _made(path, name, _named(module, path, name))


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the user's code import its neighbours, as if Python had been started with it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _run(path: Path) -> ModuleType:
    # A name that no module of the user's has; classes are looked up in sys.modules by it.
    name = f"edgespike_source_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SystemExit:
        raise InputError(
            f"{path} ends the program when it is imported; put what is not a definition under "
            'if __name__ == "__main__":'
        ) from None
    except Exception as error:  # whatever a user's code raises
        raise InputError(f"{path} cannot be imported: {_described(error, path)}") from error
    return module


def _named(module: ModuleType, path: Path, name: str) -> Any:
    try:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        some = _some(module)
        hint = f"; it has {some}" if some else ", and no class of torch.nn.Module"
        raise InputError(f"{path} has no {shown(name)}{hint}; name one of its models") from None
    return found


def _some(module: ModuleType) -> str:
    """Return the models that a file defines."""
    return ", ".join(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_module(value, module.__name__)
    )


def _is_module(value: Any, home: str) -> bool:
    """Return whether a value is a class, defined here, or an instance of a torch module."""
    kind = value if isinstance(value, type) else type(value)
    bases = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}
    return _MODULE in bases and (value is not kind or kind.__module__ == home)


def _made(path: Path, name: str, found: Any) -> Any:
    """Return an instance of a class, what a function returns, or a found instance."""
    if not isinstance(found, type) and not inspect.isroutine(found):
        return found
    if needed := _needed(found):
        raise InputError(
            f"{path}:{name} needs {', '.join(needed)}; add a function without arguments to {path} "
            f"that gives them, such as\n    def net():\n        return {name}("
            f"{', '.join(f'{each}=...' for each in needed)})\nand convert {path}:net"
        )
    try:
        made = found()
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        raise InputError(f"{path}:{name} cannot be made: {_described(error, path)}") from error
    if made is None:
        raise InputError(f"{path}:{name} returns nothing; let it return the model")
    return made


def _needed(found: Any) -> list[str]:
    """Return the arguments that a class or a function cannot do without."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):  # written in C
        return []
    return [
        each.name
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def _described(error: BaseException, path: Path) -> str:
    """Return an error and the last line of the user's file that led to it."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path or Path(frame.filename) == path.resolve()
    ]
    message = (str(error).strip() or "without a message").splitlines()[0][:_MESSAGE].rstrip(".")
    place = f" in line {lines[-1]}" if lines else ""
    return f"{type(error).__name__}{place}: {message}; fix it, or name another model"
