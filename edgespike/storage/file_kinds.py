"""What a file is, by its first bytes: for errors about files of other formats."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgespike.errors import named

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_ZIP_NAME_SIZE, _ZIP_NAME = 26, 30
_NPY = b"\x93NUMPY"
_PYTORCH_MEMBERS = (b"/data.pkl", b"/.format_version", b"/constants.pkl", b"/version")
"""Whichever of these stands first, in a folder of the archive's name."""

_GZIP = b"\x1f\x8b"
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
_TFLITE, _TFLITE_PLACE = b"TFL3", 4

# An ONNX file is a protobuf message that begins with its version, a small number, and has one of
# these fields next: producer, its version, domain, model version, doc string, graph, operator sets.
_ONNX_VERSION, _ONNX_LATEST = 0x08, 50
_ONNX_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


PARAMETERS = (
    "if it holds the parameters of a PyTorch module alone, name the code that defines the module, "
    "and give the file as its weights: mynet.py:Net --weights FILE"
)
"""What to do with parameters without their net."""

_NAMES_SHOWN = 3
"""How many tensors of a file an error names."""


@dataclass(frozen=True)
class FileKind:
    """A format that is known by its first bytes.

    Parameters
    ----------
    name
        A noun with its article.
    holds_model
        Whether a trained model may be in it, rather than samples.
    may_hold_parameters
        Whether it may hold the parameters alone of a PyTorch module.
    """

    name: str
    holds_model: bool = True
    may_hold_parameters: bool = False


def kind_of_file(head: bytes) -> FileKind | None:
    """Return what a file is, ``None`` if that is not known.

    Parameters
    ----------
    head
        The file's first bytes; 300 are enough, if there are so many.
    """
    if head.startswith(_HDF5):
        return FileKind("an HDF5 file, the format of NIR (.nir), Lava (.net) and Keras (.h5)")
    if head.startswith(_ZIP):
        return _kind_of_archive(_first_name(head))
    if head.startswith(_NPY):
        return FileKind("a numpy array (.npy)", holds_model=False)
    if head[_TFLITE_PLACE:].startswith(_TFLITE):
        return FileKind("a TFLite model (.tflite)")
    if head.startswith(_PICKLES):
        return FileKind(
            "a Python pickle, the format of older PyTorch files (.pt, .pth)",
            may_hold_parameters=True,
        )
    if len(head) > 2 and _is_onnx(*head[:3]):
        return FileKind("an ONNX model (.onnx)")
    if head.startswith(_GZIP):
        return FileKind("a file compressed with gzip", holds_model=False)
    return None


def _first_name(head: bytes) -> bytes:
    """Return the name of an archive's first member."""
    if len(head) < _ZIP_NAME:
        return b""
    (size,) = struct.unpack_from("<H", head, _ZIP_NAME_SIZE)
    return head[_ZIP_NAME : _ZIP_NAME + size]


def _kind_of_archive(first: bytes) -> FileKind:
    if first.endswith(b".npy"):
        return FileKind("an archive of numpy arrays (.npz)", holds_model=False)
    if first.endswith(_PYTORCH_MEMBERS):
        return FileKind("a PyTorch file (.pt, .pth)", may_hold_parameters=True)
    return FileKind("a zip archive")


def _is_onnx(tag: int, version: int, following: int) -> bool:
    return tag == _ONNX_VERSION and 1 <= version <= _ONNX_LATEST and following in _ONNX_FIELDS


def only_tensors(path: Path, names: Iterable[str]) -> str:
    """Return why a safetensors file that edgespike did not write is not a model."""
    found = sorted(names)
    some = ", ".join(map(named, found[:_NAMES_SHOWN]))
    more = f" and {len(found) - _NAMES_SHOWN} more" if len(found) > _NAMES_SHOWN else ""
    return (
        f"{path} is neither an edgespike graph nor a trained model of edgespike: it is a "
        f"safetensors file of tensors alone ({f'{some}{more}' or 'none'}), such as a state_dict, "
        "without a description of the net that computes with them; name the code that defines the "
        "net, and give the file as its weights: mynet.py:Net --weights FILE; or build the net in "
        "Python, load the tensors into it (load_state_dict), and give the module to "
        "edgespike.convert; or name a file that 'edgespike train' wrote"
    )
