"""Which operators of torch are read, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgespike.converters.torch.floats import (
    arithmetic,
    endings,
    pooling,
    recurrent,
    shapes,
    weighted,
)
from edgespike.converters.torch.floats.building import Building
from edgespike.converters.torch.floats.values import Call

Handler = Callable[[Building, Call], Any]


@dataclass(frozen=True)
class Family:
    """Operators that are read alike, for the table of support.

    Parameters
    ----------
    written
        What users write.
    becomes
        What it becomes, and where its limits are.
    handlers
        What reads each operator, by its name in torch.
    """

    written: str
    becomes: str
    handlers: Mapping[str, Handler]


FAMILIES = (
    Family(
        "`Linear`, `F.linear`, `x @ weight`",
        "a dense layer, if its samples are flat",
        {
            "linear": weighted.linear,
            "addmm": weighted.addmm,
            "mm": weighted.matmul,
            "matmul": weighted.matmul,
        },
    ),
    Family(
        "`Conv2d`, `Conv1d`, grouped, dilated, any zero padding; `F.conv2d`, `F.conv1d`",
        "a convolution; a length is an image of one row",
        {
            "conv1d": weighted.conv1d,
            "conv2d": weighted.conv2d,
            "convolution": weighted.convolution,
        },
    ),
    Family(
        "`BatchNorm1d`, `BatchNorm2d` with running statistics",
        "a factor and an offset a channel, folded into the weighted layer beside it",
        {
            "batch_norm": weighted.batch_norm,
            "native_batch_norm": weighted.batch_statistics,
        },
    ),
    Family(
        "`+`, `-`, `*`, `/` with constants and buffers (mean, std), `-x`",
        "a factor and an offset a channel",
        {
            "mul": arithmetic.multiply,
            "div": arithmetic.divide,
            "true_divide": arithmetic.divide,
            "neg": arithmetic.negate,
            "rsub": arithmetic.subtract_from,
        },
    ),
    Family(
        "`x + y`, `x - y`",
        "a sum of two values of one shape",
        {"add": arithmetic.add, "sub": arithmetic.subtract},
    ),
    Family(
        "`ReLU`, `ReLU6`, `Hardtanh(0, x)`, `clamp(0, x)`, `F.relu`",
        "an activation of few levels",
        {
            "relu": arithmetic.relu,
            "relu6": arithmetic.relu6,
            "hardtanh": arithmetic.clamp,
            "clamp": arithmetic.clamp,
            "clamp_min": arithmetic.clamp,
        },
    ),
    Family(
        "`Tanh`, `Sigmoid`",
        "an activation of levels of both signs; nothing at the end, where the order stays",
        {"tanh": endings.squashed, "sigmoid": endings.squashed},
    ),
    Family(
        "`RNN` with `batch_first`, of samples `(steps, features)`; then `x[:, -1]` or `h[-1]`",
        "a layer with a loop of levels for each of its layers",
        {**dict.fromkeys(recurrent.OPERATORS, recurrent.rnn), "select": recurrent.select},
    ),
    Family(
        "`MaxPool2d`, `MaxPool1d`, `AdaptiveMaxPool2d`, `amax` over height and width",
        "a pool of the largest values, with `ceil_mode`",
        {
            "max_pool1d": pooling.max_pool,
            "max_pool2d": pooling.max_pool,
            "max_pool2d_with_indices": pooling.max_pool_with_indices,
            "adaptive_max_pool1d": pooling.adaptive_max_pool,
            "adaptive_max_pool2d": pooling.adaptive_max_pool,
            "amax": pooling.largest,
        },
    ),
    Family(
        "`AvgPool2d`, `AvgPool1d`, `AdaptiveAvgPool2d`, `mean` and `sum` over height and width",
        "a pool of means or sums; windows of one size",
        {
            "avg_pool1d": pooling.average_pool,
            "avg_pool2d": pooling.average_pool,
            "adaptive_avg_pool1d": pooling.adaptive_average_pool,
            "adaptive_avg_pool2d": pooling.adaptive_average_pool,
            "mean": pooling.mean,
            "sum": pooling.total,
        },
    ),
    Family(
        "`flatten`, `view`, `reshape`, `squeeze`, `unsqueeze`, `permute` of axes of size 1",
        "another shape of the same elements",
        {
            "flatten": shapes.reshape,
            "view": shapes.reshape,
            "reshape": shapes.reshape,
            "unflatten": shapes.reshape,
            "squeeze": recurrent.squeeze,
            "unsqueeze": shapes.reshape,
            "permute": shapes.permute,
            "transpose": shapes.permute,
            "expand": shapes.expand,
            "slice": shapes.part,
        },
    ),
    Family(
        "`cat` along the channels",
        "the channels of several values",
        {"cat": shapes.concatenate},
    ),
    Family(
        "`ZeroPad2d`, `F.pad` with zeros before a convolution or an average pool",
        "that layer's padding",
        {"pad": shapes.pad, "constant_pad_nd": shapes.pad},
    ),
    Family(
        "`Identity`, `Dropout`, `contiguous`, `detach`, `float()`",
        "nothing",
        {
            "dropout": shapes.same,
            "feature_dropout": shapes.same,
            "alpha_dropout": shapes.same,
            "clone": shapes.same,
            "contiguous": shapes.same,
            "alias": shapes.same,
            "detach": shapes.same,
            "lift_fresh_copy": shapes.same,
            "to": shapes.cast,
            "_assert_tensor_metadata": shapes.asserted,
        },
    ),
    Family(
        "`Softmax`, `LogSoftmax`, `argmax` at the end",
        "nothing: the answers are what it receives, in the same order",
        {
            "softmax": endings.ending,
            "log_softmax": endings.ending,
            "argmax": endings.ending,
        },
    ),
)
"""What is read, for the reader and for the page in docs/."""

HANDLERS: Mapping[str, Handler] = {
    name: handler for family in FAMILIES for name, handler in family.handlers.items()
}


def supported() -> str:
    """Return the operators that are read, in one sentence."""
    return "supported are " + "; ".join(family.written.replace("`", "") for family in FAMILIES)
