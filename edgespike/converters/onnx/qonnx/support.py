"""What is read of QONNX files, as the page of the documentation shows it."""

from __future__ import annotations

from edgespike.converters.tables import markdown_table

OPERATORS = {
    "Add, Sub": "with a constant a channel: part of thresholds; of two branches: an addition, in "
    "one unit of both scales",
    "AveragePool": "a sum pool; padded only with `count_include_pad`",
    "BatchNormalization": "part of thresholds; the root stays exact",
    "BipolarQuant": "thresholds with the levels -1 and 1; on constants, weights -1 and 1",
    "Clip, Relu": "part of thresholds; of levels, without a quantiser behind it, thresholds",
    "Concat": "the channels side by side, each with its scale",
    "Conv": "a convolution; padded with the level that stands for 0; of (channels, length) with "
    "height 1",
    "Flatten, Reshape, Squeeze, Unsqueeze": "a reshape; only moves of whole channels besides",
    "Gemm, MatMul": "a dense layer; MatMul on channels that are last, a 1 x 1 convolution",
    "GlobalAveragePool, ReduceMean": "a sum pool over height and width",
    "MaxPool": "a max pool of levels; before a quantiser, after its thresholds",
    "Mul, Div, Neg": "by a constant a channel: part of thresholds",
    "MultiThreshold": "the same thresholds, `out_scale`, `out_bias` and `data_layout`",
    "Quant, IntQuant": "thresholds; `signed`, `narrow`, 1 to 32 bits, any zero point, all "
    "`rounding_mode`s, scales a channel; on constants, weights",
    "Transpose": "of weights; of values, the file's order of axes, as FINN has channels last",
    "Trunc": "thresholds; version 1 (five inputs) and 2 (six)",
    "Softmax, LogSoftmax, Sigmoid, ArgMax, TopK": "left out at the end, and said",
}
"""Operators, and what they become."""


def operators_table() -> str:
    """Return the operators as a table in Markdown."""
    return markdown_table(("operator", "becomes"), sorted(OPERATORS.items()))
