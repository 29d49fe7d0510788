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

_ONNX_LATEST = 50
"""Largest version of the file format that one may think of."""

_VARINT, _LENGTH = 0, 2
_ONNX_FIELDS = {
    1: _VARINT,  # version of the file format
    2: _LENGTH,  # producer
    3: _LENGTH,  # its version
    4: _LENGTH,  # domain
    5: _VARINT,  # version of the model
    6: _LENGTH,  # description
    7: _LENGTH,  # the graph
    8: _LENGTH,  # versions of the operators
    14: _LENGTH,  # metadata
    20: _LENGTH,  # training
    25: _LENGTH,  # functions
    26: _LENGTH,  # devices
}
"""The fields of the message that an ONNX file is: how each begins (onnx/onnx.proto)."""

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
    if is_onnx(head):
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


def is_onnx(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of an ONNX model.

    It is a protobuf message without a signature, so all its fields in these bytes must be ONNX's,
    and the first the version, as every program writes it.
    """
    if len(head) < 3 or head[0] != 8 or not 1 <= head[1] <= _ONNX_LATEST:
        return False
    place = 2
    while place < len(head):
        tag, place = _varint(head, place)
        field, kind = tag >> 3, tag & 7
        if _ONNX_FIELDS.get(field) != kind:
            return False
        number, place = _varint(head, place)
        place += number if kind == _LENGTH else 0
    return True


def _varint(head: bytes, place: int) -> tuple[int, int]:
    """Return a number of variable length, as far as it is there, and the place behind it."""
    number = 0
    for index, byte in enumerate(head[place : place + 10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, place + index + 1
    return number, place + 10


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
