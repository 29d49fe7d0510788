"""Encode nested tables as a flatbuffer.

A table is a dict from slot to value. The value's type determines how it is stored: a numpy scalar
in place; a ``str``, a one-dimensional array, another table, or a list of tables by reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgespike.errors import EnvironmentMissingError
from edgespike.extras import install_command

ALIGNMENT = 16
"""Alignment in bytes that TFLite requires of constants, which kernels read in place."""

_PREPEND = {
    np.dtype(np.bool_): "PrependBoolSlot",
    np.dtype(np.int8): "PrependInt8Slot",
    np.dtype(np.uint8): "PrependUint8Slot",
    np.dtype(np.int32): "PrependInt32Slot",
    np.dtype(np.uint32): "PrependUint32Slot",
}


def encode_table(root: dict[int, Any], identifier: bytes) -> bytes:
    """Encode a table and all that it refers to.

    Raises
    ------
    EnvironmentMissingError
        The package flatbuffers is not installed.
    """
    try:
        import flatbuffers  # type: ignore[import-untyped]
    except ImportError as error:
        raise EnvironmentMissingError(
            f"flatbuffers is not installed; run {install_command('tflite')}"
        ) from error
    builder = flatbuffers.Builder(1 << 16)
    builder.ForceDefaults(True)
    builder.Finish(_table(builder, root), identifier)
    return bytes(builder.Output())


def _table(builder: Any, table: dict[int, Any]) -> int:
    # Whatever a table refers to must be complete before the table itself begins.
    references = {
        slot: _reference(builder, value)
        for slot, value in table.items()
        if not isinstance(value, np.generic)
    }
    builder.StartObject(max(table, default=-1) + 1)
    for slot, value in table.items():
        if slot in references:
            builder.PrependUOffsetTRelativeSlot(slot, references[slot], 0)
        else:
            getattr(builder, _PREPEND[value.dtype])(slot, value.item(), 0)
    return int(builder.EndObject())


def _reference(builder: Any, value: Any) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, dict):
        return _table(builder, value)
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8:
            builder.Prep(ALIGNMENT, value.nbytes)
        return int(builder.CreateNumpyVector(value))
    offsets = [_table(builder, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
