"""The part of TFLite's file format that the writer needs, as tables.

The numbers are those of ``schema.fbs`` in the TensorFlow repository: each field of a table has a
slot, and each operator has a code. A table is a dict from slot to value, which
:func:`edgespike.targets.tflite.writing.flatbuffer.encode_table` turns into bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"

SIGNATURE = "serving_default"
"""The name under which readers look for a model's only signature."""

TENSOR_TYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): 0,
    np.dtype(np.int32): 2,
    np.dtype(np.int64): 4,
    np.dtype(np.int16): 7,
    np.dtype(np.int8): 9,
}

PACKED = {4: 17, 2: 19}
"""The types of constants with several numbers to a byte, the first one in the lowest bits."""


class Activation(IntEnum):
    """What an operator applies to its result before storing it."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


class Padding(IntEnum):
    """How an operator with windows treats the border of its input."""

    SAME = 0
    VALID = 1


@dataclass(frozen=True)
class Quantisation:
    """What stored integers stand for: ``q`` is the real number ``(q - zero_point) * scale``.

    Parameters
    ----------
    scales
        One, or one for each index along ``axis``.
    zero_point
        The stored integer that stands for 0.
    axis
        Along which the scales differ.
    """

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0


@dataclass(frozen=True)
class Operator:
    """How one operator is written.

    Parameters
    ----------
    code
        Its number among the built-in operators.
    version
        The lowest version that supports every data type it is used with here.
    options_type
        Number of its options table in the union of all options.
    options
        Slot and data type of each option.
    """

    code: int
    version: int
    options_type: int
    options: Mapping[str, tuple[int, DTypeLike]]


_FUSED_FIRST = {"activation": (0, np.int8)}

OPERATORS: dict[str, Operator] = {
    "ADD": Operator(0, 2, 11, _FUSED_FIRST),
    "CONCATENATION": Operator(2, 3, 10, {"axis": (0, np.int32), "activation": (1, np.int8)}),
    "CONV_2D": Operator(
        3,
        5,
        1,
        {
            "padding": (0, np.int8),
            "stride_w": (1, np.int32),
            "stride_h": (2, np.int32),
            "activation": (3, np.int8),
            "dilation_w": (4, np.int32),
            "dilation_h": (5, np.int32),
        },
    ),
    "DEPTHWISE_CONV_2D": Operator(
        4,
        5,
        2,
        {
            "padding": (0, np.int8),
            "stride_w": (1, np.int32),
            "stride_h": (2, np.int32),
            "depth_multiplier": (3, np.int32),
            "activation": (4, np.int8),
            "dilation_w": (5, np.int32),
            "dilation_h": (6, np.int32),
        },
    ),
    "DEQUANTIZE": Operator(6, 3, 38, {}),
    "FLOOR": Operator(8, 1, 0, {}),
    "FULLY_CONNECTED": Operator(9, 7, 8, _FUSED_FIRST),
    "MAX_POOL_2D": Operator(
        17,
        3,
        5,
        {
            "padding": (0, np.int8),
            "stride_w": (1, np.int32),
            "stride_h": (2, np.int32),
            "filter_w": (3, np.int32),
            "filter_h": (4, np.int32),
            "activation": (5, np.int8),
        },
    ),
    "MUL": Operator(18, 4, 21, _FUSED_FIRST),
    "GATHER": Operator(36, 1, 23, {"axis": (0, np.int32)}),
    "RESHAPE": Operator(22, 1, 17, {}),
    "PAD": Operator(34, 3, 22, {}),
    "TRANSPOSE": Operator(39, 5, 26, {}),
    "SUB": Operator(41, 1, 28, _FUSED_FIRST),
    "SPLIT": Operator(49, 2, 35, {"num_splits": (0, np.int32)}),
    "CAST": Operator(53, 1, 37, {"from_type": (0, np.int8), "to_type": (1, np.int8)}),
    "MAXIMUM": Operator(55, 1, 39, {}),
    "MINIMUM": Operator(57, 1, 39, {}),
    "SUM": Operator(74, 1, 27, {"keep_dims": (0, np.bool_)}),
    "ABS": Operator(101, 1, 78, {}),
    "QUANTIZE": Operator(114, 2, 89, {}),
}
"""Every operator that a written model may contain."""

Table = dict[int, Any]


def model(
    codes: list[Table], graph: Table, buffers: list[Table], description: str, signature: Table
) -> Table:
    """Describe a file with one graph and its signature."""
    return {
        0: np.uint32(SCHEMA_VERSION),
        1: codes,
        2: [graph],
        3: description,
        4: buffers,
        7: [signature],
    }


def signature(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Table:
    """Describe the names by which users pass and receive tensors, given the tensors' indices."""
    return {0: _tensor_map(inputs), 1: _tensor_map(outputs), 2: SIGNATURE, 4: np.uint32(0)}


def _tensor_map(names: Mapping[str, int]) -> list[Table]:
    return [{0: name, 1: np.uint32(index)} for name, index in names.items()]


def subgraph(
    tensors: list[Table], inputs: list[int], outputs: list[int], operators: list[Table], name: str
) -> Table:
    """Describe a graph of tensors and operators, which run in the given order."""
    return {0: tensors, 1: _int32(inputs), 2: _int32(outputs), 3: operators, 4: name}


def tensor(
    name: str,
    shape: tuple[int, ...],
    tensor_type: int,
    buffer: int,
    quantisation: Quantisation | None,
    dynamic_batch: bool,
) -> Table:
    """Describe a tensor; a dynamic first dimension is stored as 1 with the signature -1."""
    table: Table = {
        0: _int32(shape),
        1: np.int8(tensor_type),
        2: np.uint32(buffer),
        3: name,
    }
    if quantisation is not None:
        scales = np.array(quantisation.scales, np.float32)
        zero_points = np.full(len(scales), quantisation.zero_point, np.int64)
        table[4] = {2: scales, 3: zero_points, 6: np.int32(quantisation.axis)}
    if dynamic_batch:
        table[7] = _int32((-1, *shape[1:]))
    return table


def operator_code(name: str) -> Table:
    """Describe a kind of operator; older readers read the code from the first field."""
    operator = OPERATORS[name]
    return {
        0: np.int8(operator.code),
        2: np.int32(operator.version),
        3: np.int32(operator.code),
    }


def operator_call(
    name: str, code_index: int, inputs: list[int], outputs: list[int], options: Mapping[str, int]
) -> Table:
    """Describe one use of an operator; options that are left out have the schema's defaults."""
    operator = OPERATORS[name]
    table: Table = {0: np.uint32(code_index), 1: _int32(inputs), 2: _int32(outputs)}
    if operator.options_type:
        table[3] = np.uint8(operator.options_type)
        table[4] = {
            operator.options[option][0]: np.dtype(operator.options[option][1]).type(value)
            for option, value in options.items()
        }
    return table


def buffer(content: bytes) -> Table:
    """Describe a constant's bytes; the empty buffer stands for 'computed at run time'."""
    return {0: np.frombuffer(content, np.uint8)} if content else {}


def _int32(values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)
