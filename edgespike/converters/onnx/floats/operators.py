"""Which operators of ONNX are read, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgespike.converters.onnx.floats import (
    arithmetic,
    endings,
    layout,
    pooling,
    recurrent,
    weighted,
)
from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import Answer, Value
from edgespike.converters.onnx.model import OnnxNode

Handler = Callable[[Building, OnnxNode], Value | Answer]


@dataclass(frozen=True)
class Family:
    """Operators that are read alike, for the table of support.

    Parameters
    ----------
    becomes
        What they become, and where the limits are.
    handlers
        What reads each operator.
    """

    becomes: str
    handlers: Mapping[str, Handler]


FAMILIES = (
    Family(
        "a convolution of a length or an image, with groups, dilation, any `auto_pad`",
        {"Conv": weighted.conv},
    ),
    Family(
        "a dense layer; along the channels of an image, a convolution of kernel 1",
        {"Gemm": weighted.gemm, "MatMul": weighted.matmul},
    ),
    Family(
        "a factor and an offset a channel, folded into the weighted layer beside it",
        {"BatchNormalization": weighted.batch_norm},
    ),
    Family(
        "with constants a factor and an offset a channel; `Add`, `Sum` and `Sub` of two values of "
        "one shape a sum",
        {
            "Add": arithmetic.add,
            "Sum": arithmetic.add,
            "Sub": arithmetic.subtract,
            "Mul": arithmetic.multiply,
            "Div": arithmetic.divide,
            "Neg": arithmetic.negate,
        },
    ),
    Family(
        "an activation of few levels; `Clip` from 0, `Max` with 0",
        {"Relu": arithmetic.relu, "Clip": arithmetic.clip, "Max": arithmetic.maximum},
    ),
    Family(
        "an activation of levels of both signs; nothing at the end, where the order stays",
        {"Tanh": endings.squashed, "Sigmoid": endings.squashed},
    ),
    Family(
        "a pool of the largest values, with `ceil_mode`",
        {
            "MaxPool": pooling.max_pool,
            "GlobalMaxPool": pooling.global_maximum,
            "ReduceMax": pooling.largest,
        },
    ),
    Family(
        "a pool of means or sums; `count_include_pad` 0 where no window holds padding",
        {
            "AveragePool": pooling.average_pool,
            "GlobalAveragePool": pooling.global_average,
            "ReduceMean": pooling.mean,
            "ReduceSum": pooling.total,
        },
    ),
    Family(
        "nothing: another shape of the same elements, in the same order",
        {
            "Flatten": layout.reshape,
            "Reshape": layout.reshape,
            "Squeeze": layout.reshape,
            "Unsqueeze": layout.reshape,
            "Expand": layout.reshape,
        },
    ),
    Family(
        "nothing, where the axes are moved back, or a dense layer's weights can follow; an input "
        "with its channels last becomes one with its channels first",
        {"Transpose": layout.transpose},
    ),
    Family(
        "one layer of a recurrent net, of tanh or ReLU; the file takes `(batch, steps, features)`",
        {"RNN": recurrent.rnn},
    ),
    Family(
        "nothing, where all is taken, or the last step of a sequence",
        {"Gather": layout.gather, "Slice": layout.slice_},
    ),
    Family("the channels of several values", {"Concat": layout.concatenate}),
    Family("the padding of the convolution or average pool behind it", {"Pad": layout.pad}),
    Family("nothing, from whole numbers to floats", {"Cast": layout.cast}),
    Family(
        "nothing, at the end: the answers are what it receives, in the same order",
        {
            "Softmax": endings.ending,
            "LogSoftmax": endings.ending,
            "ArgMax": endings.ending,
        },
    ),
)
"""What is read, for the reader and for the page in docs/."""

HANDLERS: Mapping[str, Handler] = {
    name: handler for family in FAMILIES for name, handler in family.handlers.items()
}

LEFT_OUT = ("Identity", "Dropout")
"""Operators that pass a value on, which are gone when a file has been read."""


def supported() -> str:
    """Return the operators that are read, in one sentence."""
    return f"supported are {', '.join((*HANDLERS, *LEFT_OUT))}, and any of constants"
