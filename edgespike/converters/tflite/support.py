"""The operators that are read, and what to do about those that are not.

The tables of docs/converters/tflite.md are made of this.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgespike.converters.tables import markdown_table, ways_out_table
from edgespike.converters.tflite import layers, rearranging
from edgespike.converters.tflite.kernels import KERNELS
from edgespike.int8.rounding import Rounding


@dataclass(frozen=True)
class Supported:
    """An operator that is read.

    Parameters
    ----------
    add
        Adds it to the net.
    condition
        What it must be like.
    becomes
        What it is in a net.
    """

    add: layers.Handler
    condition: str
    becomes: str


_FUSED = "fused RELU, RELU6, RELU_N1_TO_1 or none"
_INT8_WEIGHTS = f"int8 weights, one scale or one an output; {_FUSED}"

SUPPORTED: dict[str, Supported] = {
    "CONV_2D": Supported(
        layers.convolution,
        f"{_INT8_WEIGHTS}; SAME or VALID, stride, dilation, groups",
        "a convolution",
    ),
    "DEPTHWISE_CONV_2D": Supported(
        layers.depthwise,
        f"{_INT8_WEIGHTS}; SAME or VALID, stride, dilation, any multiplier",
        "a convolution in groups",
    ),
    "FULLY_CONNECTED": Supported(layers.dense, f"{_INT8_WEIGHTS}; one row", "a dense layer"),
    "ADD": Supported(layers.add, f"two tensors of one shape, any scales; {_FUSED}", "a sum"),
    "MAX_POOL_2D": Supported(layers.max_pool, f"SAME or VALID; {_FUSED}", "a max pool"),
    "AVERAGE_POOL_2D": Supported(
        layers.average_pool, f"SAME or VALID; {_FUSED}", "a sum pool and its rounding"
    ),
    "MEAN": Supported(
        layers.mean,
        "over height and width",
        "a sum pool and its rounding",
    ),
    "PAD": Supported(rearranging.pad, "of height and width", "padding"),
    "PADV2": Supported(rearranging.pad, "of height and width, with the zero point", "padding"),
    "CONCATENATION": Supported(
        rearranging.concatenate, "along channels, of one scale and zero point", "a concatenation"
    ),
    "RELU": Supported(rearranging.activation, "any scales", "thresholds"),
    "RELU6": Supported(
        rearranging.activation, "any scales; with the rounding `tflm`, one", "thresholds"
    ),
    "QUANTIZE": Supported(
        rearranging.quantise,
        "int8 to int8; from float32 or uint8 at the input",
        "thresholds, or nothing",
    ),
    "RESHAPE": Supported(
        rearranging.reshape,
        "flattens, undoes that, or adds and removes axes of size 1",
        "a reshape",
    ),
    "SQUEEZE": Supported(rearranging.reshape, "as RESHAPE", "a reshape"),
    "EXPAND_DIMS": Supported(rearranging.reshape, "as RESHAPE", "a reshape"),
}
"""The operators that are read, wherever they are."""

RESHAPES = tuple(kind for kind, each in SUPPORTED.items() if each.add is rearranging.reshape)
"""The operators that keep all numbers in their order."""

AT_THE_END = {
    "SOFTMAX": "the largest logit is the largest probability",
    "LOGISTIC": "the largest logit is the largest probability",
    "DEQUANTIZE": "logits are real numbers anyway",
}
"""Operators that are left out where the net ends, and why that changes no class."""

_RECURRENT = (
    "recurrent layers keep states of 16 bits or floats, too many levels for a graph; use "
    "convolutions over time, or train a recurrent net with edgespike.nn"
)
_BRANCHES = "a graph has no control flow; convert the model again with it unrolled"
_STATE = "a graph keeps no state from sample to sample; use a net without variables"
_PIECEWISE = "use RELU or RELU6 instead, and train again"
_NORMALISATION = (
    "a factor or a subtraction of its own; a batch normalisation behind a convolution or a dense "
    "layer is folded when the model is converted"
)

WAYS_OUT = {
    **dict.fromkeys(
        (
            "LSTM",
            "RNN",
            "SVDF",
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            "UNIDIRECTIONAL_SEQUENCE_RNN",
            "BIDIRECTIONAL_SEQUENCE_LSTM",
            "BIDIRECTIONAL_SEQUENCE_RNN",
        ),
        _RECURRENT,
    ),
    **dict.fromkeys(("CALL", "IF", "WHILE", "STABLEHLO_WHILE", "STABLEHLO_CASE"), _BRANCHES),
    **dict.fromkeys(("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"), _STATE),
    **dict.fromkeys(
        ("HARD_SWISH", "LEAKY_RELU", "PRELU", "ELU", "TANH", "GELU", "RELU_0_TO_1", "ABS"),
        _PIECEWISE,
    ),
    **dict.fromkeys(("MUL", "SUB", "DIV"), _NORMALISATION),
    "RELU_N1_TO_1": "no runtime has it for int8, but for one that is fused into the layer before",
    "SOFTMAX": "it can be the last operator only, over all classes and with a beta above 0",
    "LOGISTIC": "it can be the last operator only; use RELU6 inside a net",
    "DEQUANTIZE": (
        "it can be the last operator only: a part of the model is not quantised; convert it with "
        "full integer quantisation (int8)"
    ),
    "CAST": "a net of 8-bit numbers changes their type with QUANTIZE alone",
    "ARG_MAX": "leave it out: the class is the largest logit",
    "TRANSPOSE": "keep one order of the axes",
    "L2_POOL_2D": "use AVERAGE_POOL_2D or MAX_POOL_2D",
    "SUM": "use AVERAGE_POOL_2D",
    "REDUCE_MAX": "use MAX_POOL_2D",
    "BATCH_TO_SPACE_ND": "convert the model again with a newer converter, which writes a dilation",
    "SPACE_TO_BATCH_ND": "convert the model again with a newer converter, which writes a dilation",
    "MIRROR_PAD": "use PAD",
    "TRANSPOSE_CONV": "use a convolution",
    "CONV_3D": "use CONV_2D",
    "BATCH_MATMUL": "a product of two computed values; use FULLY_CONNECTED with constant weights",
}
"""What to do about some operators that are not read."""


def refusal(kind: str) -> str:
    """Return why an operator is not read, with the way out."""
    if kind.startswith("CUSTOM"):
        way_out = "it is no operator of TFLite; write it with those that are"
    else:
        way_out = WAYS_OUT.get(kind, "use operators that are read: docs/converters/tflite.md")
    return f"it is not supported; {way_out}"


def operators_table() -> str:
    """Return the operators that are read."""
    rows = [(f"`{kind}`", each.condition, each.becomes) for kind, each in SUPPORTED.items()]
    rows += [
        (f"`{kind}`", "as the last operator", f"left out: {why}")
        for kind, why in AT_THE_END.items()
    ]
    return markdown_table(("operator", "read where", "becomes"), rows)


def roundings_table() -> str:
    """Return the choices of the option ``rounding``."""
    rows = [(f"`{each.name}`", each.title, _ROUNDED[each.weighted]) for each in KERNELS.values()]
    return markdown_table(("`rounding`", "kernels", "convolutions and dense layers round"), rows)


_ROUNDED = {
    Rounding.DOUBLE_AWAY: "twice, in 32 bits; at last a half goes away from zero",
    Rounding.FLOAT_EVEN: "once, a float32 product; a half goes to the even number",
    Rounding.DOUBLE_UP: "twice, in 32 bits; at last a half goes up",
}


def refused_table() -> str:
    """Return what to do about operators that are not read."""
    return ways_out_table(WAYS_OUT)
