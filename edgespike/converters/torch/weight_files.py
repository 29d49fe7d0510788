"""Parameters from files of tensors, read without running code that is in them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike.converters.own_files import is_safetensors, read_head
from edgespike.errors import FileFormatError, UnsupportedError, named, shown
from edgespike.storage.file_kinds import kind_of_file

if TYPE_CHECKING:
    from torch import Tensor, nn

Tensors = Mapping[str, "Tensor"]

_LISTED = 20
"""How many names of tensors an error lists."""

_WAY_OUT = (
    "save the parameters alone, where the model is defined, with "
    "torch.save(model.state_dict(), 'net.pt'), and give that file"
)


def load_weights(module: nn.Module, path: Path) -> tuple[str, ...]:
    """Put the parameters of a file into a module.

    Returns
    -------
    said
        What was looked through to find them; sentences.

    Raises
    ------
    InputError, FileFormatError
        The file cannot be read, is damaged, or holds objects that only running code can restore.
    UnsupportedError
        Lists every parameter that is missing, not expected, or has another shape.
    """
    tensors, said = _read(path)
    own = {_uncompiled(name): values for name, values in module.state_dict().items()}
    found, renamed = _renamed(tensors, own)
    if faults := list(_faults(own, found)):
        raise UnsupportedError(f"{path} does not hold the parameters of this model", faults)
    import torch

    with torch.no_grad():
        for name, values in found.items():
            own[name].copy_(values)
    return (*said, *renamed)


def _read(path: Path) -> tuple[Tensors, tuple[str, ...]]:
    if is_safetensors(read_head(path)):
        return _read_safetensors(path), ()
    return _tensors_in(_read_torch(path), path)


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path} is a damaged safetensors file ({error}); copy or save it again"
        ) from error


def _read_torch(path: Path) -> Any:
    import torch

    _refuse_bombs(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own about old formats
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a hostile file makes torch raise nearly anything
        kind = kind_of_file(read_head(path))
        if "weights_only" in str(error) and (kind is None or kind.holds_model):
            raise FileFormatError(
                f"{path} holds more than tensors: a pickled model or other objects, which could "
                f"run any code when they are read; {_WAY_OUT}"
            ) from None
        what = kind.name if kind else "no file that torch wrote"
        raise FileFormatError(
            f"{path} is {what}, and no parameters can be read from it ({shown(str(error))}); "
            f"{_WAY_OUT}"
        ) from error


def _refuse_bombs(path: Path) -> None:
    """Refuse an archive whose members are larger than the file: torch compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            whole = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise FileFormatError(f"{path} is a damaged archive ({error}); {_WAY_OUT}") from error
    if whole > path.stat().st_size:
        raise FileFormatError(
            f"{path} is an archive of {path.stat().st_size} bytes that declares {whole}; torch "
            f"compresses nothing, so it did not write this; {_WAY_OUT}"
        )


def _tensors_in(content: Any, path: Path) -> tuple[Tensors, tuple[str, ...]]:
    """Return the state_dict of a file, which may stand in a dictionary with other things."""
    if _is_state(content):
        return content, ()
    if isinstance(content, dict):
        inside = {key: value for key, value in content.items() if _is_state(value) and value}
        # An optimiser's state is no dictionary of tensors; several nets may be.
        likely = [key for key in inside if "state_dict" in str(key) or str(key) == "model"]
        keys = likely if len(likely) == 1 else list(inside)
        if len(keys) == 1:
            key = keys[0]
            return inside[key], (f"the parameters are those under {key!r} in {path.name}",)
        if keys:
            raise FileFormatError(
                f"{path} holds several sets of parameters: {', '.join(map(repr, keys))}; save the "
                "one to convert in a file of its own"
            )
    raise FileFormatError(f"{path} holds a {type(content).__name__}, no state_dict; {_WAY_OUT}")


def _is_state(content: Any) -> bool:
    from torch import Tensor

    return isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )


def _renamed(tensors: Tensors, own: Tensors) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Take off what wrappers add to names: DataParallel's "module.", compile's "_orig_mod."."""
    said = []
    found = {_uncompiled(name): values for name, values in tensors.items()}
    if set(found) != set(tensors):
        said.append("the parameters are those of a compiled module")
    while (
        found
        and all(name.startswith("module.") for name in found)
        and not any(name.startswith("module.") for name in own)
    ):
        found = {name.removeprefix("module."): values for name, values in found.items()}
        said.append("the parameters are those of a DataParallel module")
    return found, tuple(said)


def _uncompiled(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _faults(own: Tensors, found: Tensors) -> list[str]:
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    missing = [name for name in own if name not in found and name not in counters]
    unexpected = [name for name in found if name not in own]
    faults = []
    if missing:
        faults.append(f"missing are {_listed(missing)}; give the file of this model's parameters")
    if unexpected:
        faults.append(f"not expected are {_listed(unexpected)}; name the model that has them")
    faults += [
        f"{name} has shape {tuple(found[name].shape)}, the model's {tuple(own[name].shape)}; make "
        "the model with the sizes that it was trained with"
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    faults += [
        f"{name} is {kind}; save plain real numbers"
        for name in own
        if name in found and (kind := _no_plain_numbers(found[name], own[name]))
    ]
    return faults


def _no_plain_numbers(found: Tensor, own: Tensor) -> str:
    """Return what a tensor holds instead of numbers that another may take; else nothing."""
    import torch

    if found.is_quantized:
        return "quantised"
    if found.layout is not torch.strided:
        return "sparse"
    return "complex" if found.is_complex() and not own.is_complex() else ""


def _listed(names: list[str]) -> str:
    some = ", ".join(map(named, names[:_LISTED]))
    return f"{some} and {len(names) - _LISTED} more" if len(names) > _LISTED else some
