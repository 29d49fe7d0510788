"""The operators that are read in a net of 8-bit numbers, and what they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgespike.converters.onnx.int8 import elementwise, moving, pooling, quantisers, weighted
from edgespike.converters.onnx.int8.values import Value
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.tables import markdown_table, ways_out_table

Reader = Callable[[Walk, OnnxNode], Value | None]

MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Operator:
    """How an operator is read.

    Parameters
    ----------
    read
        Returns what is known of its result; ``None`` for a constant.
    becomes
        What it is in the graph; for the documentation.
    condition
        What must hold; likewise.
    inputs
        How many it has at least; onnx checks that of its own operators.
    """

    read: Reader
    becomes: str
    condition: str = ""
    inputs: int = 1


_QUANTISER = Operator(
    quantisers.quantise,
    "the thresholds of the layer before",
    "one scale; 8 bits or fewer",
    inputs=2,
)
_DEQUANTISER = Operator(
    quantisers.dequantise, "nothing, or whole weights", "no scale for each block", inputs=2
)
_LAYER = "a layer of whole weights, and thresholds"
_PER_OUTPUT = "weights with one scale, or one for each output"
_MEAN = Operator(pooling.global_average_pool, "a sum over the image, and thresholds")
_SHAPE = Operator(moving.reshaped, "nothing, or a reshape", "the batch stays first")
_ENDING = Operator(elementwise.ending, "nothing", "only at the end")

OPERATORS: Mapping[tuple[str, str], Operator] = {
    ("", "QuantizeLinear"): _QUANTISER,
    (MICROSOFT, "QuantizeLinear"): _QUANTISER,
    ("", "DequantizeLinear"): _DEQUANTISER,
    (MICROSOFT, "DequantizeLinear"): _DEQUANTISER,
    ("", "Conv"): Operator(weighted.conv, _LAYER, _PER_OUTPUT),
    ("", "Gemm"): Operator(weighted.gemm, _LAYER, f"{_PER_OUTPUT}; alpha and beta 1, transA 0"),
    ("", "MatMul"): Operator(weighted.matmul, _LAYER, f"{_PER_OUTPUT}; one row"),
    ("", "QLinearConv"): Operator(weighted.qlinear_conv, _LAYER),
    ("", "QLinearMatMul"): Operator(weighted.qlinear_matmul, _LAYER, "one row"),
    (MICROSOFT, "QGemm"): Operator(weighted.qgemm, _LAYER, "transA 0", inputs=6),
    ("", "Add"): Operator(
        elementwise.add, "two weights, a sum and thresholds; or a bias", "no constant otherwise"
    ),
    (MICROSOFT, "QLinearAdd"): Operator(
        elementwise.qlinear_add, "two weights, a sum and thresholds", "no constant", inputs=7
    ),
    ("", "Concat"): Operator(
        elementwise.concat, "the channels, each in the result's storage", "axis 1"
    ),
    (MICROSOFT, "QLinearConcat"): Operator(
        elementwise.qlinear_concat, "the channels, each in the result's storage", "axis 1", inputs=4
    ),
    ("", "Relu"): Operator(elementwise.relu, "fewer thresholds", "of real numbers"),
    ("", "Clip"): Operator(elementwise.clip, "fewer thresholds"),
    ("", "MaxPool"): Operator(moving.pooled, "a max pool", "dilations 1, no ceil_mode"),
    ("", "AveragePool"): Operator(
        pooling.average_pool, "a sum of windows, and thresholds", "dilations 1, no ceil_mode"
    ),
    (MICROSOFT, "QLinearAveragePool"): Operator(
        pooling.qlinear_average_pool,
        "a sum of windows, and thresholds",
        "channels_last 0",
        inputs=4,
    ),
    ("", "GlobalAveragePool"): _MEAN,
    (MICROSOFT, "QLinearGlobalAveragePool"): Operator(
        pooling.qlinear_global_average_pool, _MEAN.becomes, "channels_last 0", inputs=4
    ),
    ("", "ReduceMean"): Operator(pooling.reduce_mean, _MEAN.becomes, "over height and width"),
    ("", "Pad"): Operator(moving.padded, "padding", "with what stands for 0, height and width"),
    ("", "Reshape"): _SHAPE,
    ("", "Flatten"): _SHAPE,
    ("", "Squeeze"): _SHAPE,
    ("", "Unsqueeze"): _SHAPE,
    ("", "Transpose"): Operator(
        moving.transposed,
        "nothing, or other columns of the next dense layer",
        "the batch stays first; channels first where a convolution or pool follows",
    ),
    ("", "Softmax"): _ENDING,
    ("", "LogSoftmax"): _ENDING,
    ("", "Sigmoid"): _ENDING,
    ("", "ArgMax"): _ENDING,
    (MICROSOFT, "QLinearSoftmax"): _ENDING,
    (MICROSOFT, "QLinearSigmoid"): _ENDING,
}
"""Readers by domain and operator."""

NEAREST: Mapping[str, str] = {
    "BatchNormalization": "fold it into the convolution before it, as "
    "onnxruntime.quantization.preprocess does",
    "ConvInteger": "store activations with constant scales: quantize_static instead of "
    "quantize_dynamic",
    "MatMulInteger": "store activations with constant scales: quantize_static instead of "
    "quantize_dynamic",
    "DynamicQuantizeLinear": "its scale depends on the sample; use quantize_static",
    "QLinearLeakyRelu": "train with ReLU",
    "LeakyRelu": "train with ReLU",
    "QLinearMul": "two activations are not multiplied; a constant factor belongs into weights",
    "Mul": "two activations are not multiplied; a constant factor belongs into weights",
    "Sub": "put what prepares the input before the model, and a constant into a bias",
    "Div": "put what prepares the input before the model, and a constant into weights",
    "HardSwish": "train with ReLU or ReLU6",
    "Sum": "use Add",
}
"""What to do about operators that are often met and not read."""


def support_table() -> str:
    """Return the table of what is read, for docs/converters/onnx_int8.md."""
    rows: dict[tuple[str, str], list[str]] = {}
    for (_, name), each in OPERATORS.items():
        names = rows.setdefault((each.becomes, each.condition), [])
        if f"`{name}`" not in names:
            names.append(f"`{name}`")
    cells = [
        (", ".join(names), became, condition or "-") for (became, condition), names in rows.items()
    ]
    return markdown_table(("operator", "becomes", "condition"), cells)


def nearest_table() -> str:
    """Return the table of what to do about others, for the same page."""
    return ways_out_table(NEAREST)
