"""From an ONNX file to its protobuf message, with bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.converters.onnx.wire import check_size
from edgespike.errors import FileFormatError, InputError, UnsupportedError, named, shown
from edgespike.extras import needs_extra
from edgespike.storage.files import opened

FILE_LIMIT = 2**28
"""Largest file that is read, in bytes, and most bytes of data beside it."""

ELEMENT_LIMIT = 2**26
"""Most elements of all tensors of a model."""


def load_model(path: Path) -> Any:
    """Return the ``ModelProto`` of a file, with the data that lie in files beside it.

    Raises
    ------
    EnvironmentMissingError
        onnx is not installed.
    FileFormatError
        The file cannot be read, is damaged or too large.
    UnsupportedError
        Data beside the file are missing, lie elsewhere, or are too large; all of them are listed.
    """
    with needs_extra("onnx", "an ONNX file"):
        import onnx
    data = _content(path)
    model = onnx.ModelProto()
    try:
        check_size(data, model.DESCRIPTOR)
        model.ParseFromString(data)
    # Beside WireError there is DecodeError of protobuf, whose module is none of onnx's interface.
    except Exception as error:
        raise FileFormatError(
            f"{path} is no ONNX model that can be read, or is truncated or damaged "
            f"({shown_line(error)}); get the file again, or export it again"
        ) from error
    if not model.HasField("graph"):
        raise FileFormatError(
            f"{path} begins as an ONNX model and holds no graph; get the file again, or export it "
            "again"
        )
    if faults := list(_read_beside(path, model)):
        raise UnsupportedError(f"{path} cannot be read", faults)
    return model


def shown_line(error: Exception) -> str:
    """Return the line of onnx's message that says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if "(op_type:" in line] or lines
    return shown(said[0][-300:]) if said and len(said[0]) > 300 else (said[0] if said else "")


def _content(path: Path) -> bytes:
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_LIMIT:
                raise FileFormatError(f"{path} has {size} bytes; the limit is {FILE_LIMIT}")
            return file.read(size)
    except InputError as error:
        raise FileFormatError(str(error)) from error


def tensors_of(model: Any) -> Iterator[Any]:
    """Yield the tensors of a model: initialisers, and attributes of nodes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def array_of(tensor: Any) -> NDArray[Any]:
    """Return the numbers of a tensor.

    Raises
    ------
    FileFormatError
        It has another number of them than its shape says, or a type that is not known.
    """
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    # What is wrong with its bytes is found by numpy, and by several types of errors.
    except Exception as error:
        raise FileFormatError(
            f"tensor {named(tensor.name)} of the ONNX model is damaged ({shown_line(error)}); "
            "export it again"
        ) from error


def _read_beside(path: Path, model: Any) -> Iterator[str]:
    """Put the data that lie beside the file into the model; yield what cannot be read."""
    folder = path.parent.resolve()
    left = FILE_LIMIT
    for tensor in tensors_of(model):
        if tensor.data_location != tensor.EXTERNAL:
            continue
        told = {entry.key: entry.value for entry in tensor.external_data}
        name = f"tensor {named(tensor.name)}"
        location = told.get("location", "")
        place, fault = _place(folder, location)
        if place is None:
            yield f"{name} has its data in {shown(location)}, {fault}"
            continue
        try:
            offset, length = int(told.get("offset", 0)), int(told.get("length", -1))
        except ValueError:
            offset, length = -1, -1
        size = place.stat().st_size
        length = size - offset if length < 0 else length
        if offset < 0 or offset + length > size:
            yield (
                f"{name} has its data at bytes {shown(told.get('offset'))} and "
                f"{shown(told.get('length'))} more of {shown(location)}, which has {size}; copy "
                "that file again"
            )
            continue
        left -= length
        if left < 0:
            yield f"{name} and those before have more than {FILE_LIMIT} bytes beside the file"
            return
        with place.open("rb") as file:
            file.seek(offset)
            tensor.raw_data = file.read(length)
        tensor.ClearField("external_data")
        tensor.data_location = tensor.DEFAULT


def _place(folder: Path, location: str) -> tuple[Path | None, str]:
    """Return the file of external data, or why it is not read."""
    if not location or "\0" in location:
        return None, "which is no name of a file"
    try:
        place = (folder / location).resolve()
        if not place.is_relative_to(folder):
            return None, "which is not in the folder of the model; copy it there and export again"
        if not place.exists():
            return None, "which does not exist; copy it into the folder of the model"
        if not place.is_file():
            return None, "which is not a regular file"
    except (OSError, RuntimeError):  # a name too long, links in a circle
        return None, "which cannot be opened"
    return place, ""
