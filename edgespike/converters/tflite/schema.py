"""TFLite's file format, as far as it is read: limits, and the options of operators.

The numbers are those of ``schema.fbs`` of LiteRT 2.3, which a test compares with them.
"""

from __future__ import annotations

from enum import IntEnum

SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"
IDENTIFIER_PLACE = 4

FILE_LIMIT = 2**27
"""Largest file that is read, in bytes."""

TENSORS_LIMIT, OPERATORS_LIMIT = 100_000, 1_000
"""Most tensors and operators of a file."""

RANK_LIMIT = 8
"""Most axes of a tensor."""

NAME_LIMIT = 200
"""How many bytes of a name are read."""


class Activation(IntEnum):
    """What an operator applies to its result before storing it."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class Padding(IntEnum):
    """How an operator with windows treats the border of its input."""

    SAME = 0
    VALID = 1


_POOL = {
    "padding": (0, "<b", 0),
    "stride_w": (1, "<i", 0),
    "stride_h": (2, "<i", 0),
    "filter_w": (3, "<i", 0),
    "filter_h": (4, "<i", 0),
    "activation": (5, "<b", 0),
}

OPTIONS: dict[str, tuple[int, dict[str, tuple[int, str, int]]]] = {
    "ADD": (11, {"activation": (0, "<b", 0)}),
    "AVERAGE_POOL_2D": (5, _POOL),
    "CONCATENATION": (10, {"axis": (0, "<i", 0), "activation": (1, "<b", 0)}),
    "CONV_2D": (
        1,
        {
            "padding": (0, "<b", 0),
            "stride_w": (1, "<i", 0),
            "stride_h": (2, "<i", 0),
            "activation": (3, "<b", 0),
            "dilation_w": (4, "<i", 1),
            "dilation_h": (5, "<i", 1),
        },
    ),
    "DEPTHWISE_CONV_2D": (
        2,
        {
            "padding": (0, "<b", 0),
            "stride_w": (1, "<i", 0),
            "stride_h": (2, "<i", 0),
            "depth_multiplier": (3, "<i", 0),
            "activation": (4, "<b", 0),
            "dilation_w": (5, "<i", 1),
            "dilation_h": (6, "<i", 1),
        },
    ),
    "FULLY_CONNECTED": (
        8,
        {
            "activation": (0, "<b", 0),
            "weights_format": (1, "<b", 0),
            "keep_num_dims": (2, "<?", 0),
        },
    ),
    "MAX_POOL_2D": (5, _POOL),
    "MEAN": (27, {"keep_dims": (0, "<?", 0)}),
    "SOFTMAX": (9, {"beta": (0, "<f", 0)}),
}
"""Of each operator with options: their table's number in the union, and each one's field, format
and default."""
