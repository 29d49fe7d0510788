"""TFLite files of a test's own, written with LiteRT's schema, and the public ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.result import Conversion
from edgespike.converters.tflite import CONVERTER
from edgespike.interpreter import interpret
from tests.public_models import FOLDER

flatbuffers: Any = pytest.importorskip("flatbuffers", reason="files are written with it")
schema: Any = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="files are written with LiteRT's schema"
)

PUBLIC = FOLDER / "tflite"

KINDS = {
    "FLOAT32": np.float32,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
}

OPTIONS = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "Pool2D",
    "CONCATENATION": "Concatenation",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "FULLY_CONNECTED": "FullyConnected",
    "MAX_POOL_2D": "Pool2D",
    "MEAN": "Reducer",
    "SOFTMAX": "Softmax",
    "QUANTIZE": "Quantize",
}

ROUNDINGS = ("tflm", "xnnpack", "builtin-x86")


def public(name: str) -> Path:
    """Return a public file, or skip the test."""
    path = PUBLIC / name
    if not path.exists():
        pytest.skip(f"{path} is not here; it is MLPerf Tiny's or TFLite Micro's")
    return path


class File:
    """A file under construction; methods return the number of a tensor."""

    def __init__(self) -> None:
        self.model: Any = schema.ModelT()
        self.model.version = 3
        self.model.description = "a test's"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph: Any = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        shape: Sequence[int],
        scale: ArrayLike | None = 1.0,
        zero_point: int = 0,
        *,
        kind: str = "INT8",
        axis: int = 0,
        values: ArrayLike | None = None,
        signature: Sequence[int] | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type = list(shape), getattr(schema.TensorType, kind)
        tensor.name = f"tensor/{len(self.graph.tensors)}"
        tensor.shapeSignature = None if signature is None else list(signature)
        if scale is not None:
            quantisation = schema.QuantizationParametersT()
            quantisation.scale = np.atleast_1d(np.asarray(scale, np.float32))
            quantisation.zeroPoint = np.full(len(quantisation.scale), zero_point, np.int64)
            quantisation.quantizedDimension = axis
            tensor.quantization = quantisation
        tensor.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            array = np.asarray(values, KINDS[kind]).reshape(shape)
            buffer.data = np.frombuffer(array.tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add(self, kind: str, inputs: Sequence[int], *outputs: int, **options: Any) -> int:
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, kind, schema.BuiltinOperator.CUSTOM)
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = options.pop("version", 3)
        if number == schema.BuiltinOperator.CUSTOM:
            code.customCode = kind
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if kind in OPTIONS:
            name = f"{OPTIONS[kind]}Options"
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = getattr(schema, f"{name}T")()
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        self.graph.operators.append(operator)
        return outputs[0] if outputs else -1

    def conv(
        self,
        source: int,
        weight: NDArray[Any],
        scales: ArrayLike,
        bias: NDArray[Any],
        result: int,
        kind: str = "CONV_2D",
        **options: Any,
    ) -> int:
        """Add a layer with weights; its stride is 1, its padding SAME unless they are given."""
        axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
        w = self.tensor(weight.shape, scales, axis=axis, values=weight)
        of_sums = np.atleast_1d(scales) * self.graph.tensors[source].quantization.scale[0]
        b = self.tensor(bias.shape, of_sums, kind="INT32", values=bias)
        if kind == "FULLY_CONNECTED":
            defaults: dict[str, Any] = {"version": 4}
        else:
            defaults = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
        if kind == "DEPTHWISE_CONV_2D":
            channels = self.graph.tensors[source].shape[-1]
            defaults["depthMultiplier"] = weight.shape[-1] // channels
        return self.add(kind, [source, w, b], result, **{**defaults, **options})

    def reshape(self, source: int, shape: Sequence[int]) -> int:
        """Add a RESHAPE to a shape with a batch."""
        quantisation = self.graph.tensors[source].quantization
        scale, zero_point = quantisation.scale[0], int(quantisation.zeroPoint[0])
        result = self.tensor(shape, scale, zero_point)
        wanted = self.tensor((len(shape),), None, kind="INT32", values=[-1, *shape[1:]])
        return self.add("RESHAPE", [source, wanted], result, version=1)

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the file."""
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def convert(content: bytes, folder: Path, rounding: str = "tflm", **options: Any) -> Conversion:
    """Write a file and convert it."""
    path = folder / "model.tflite"
    path.write_bytes(content)
    found = CONVERTER.convert(path, ConvertOptions(rounding=rounding, **options))
    assert isinstance(found, Conversion)
    return found


def random_samples(found: Conversion, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return samples over the whole range of the graph's input."""
    op = found.graph.input_op
    draw = np.random.default_rng(seed)
    return draw.integers(op.low, op.high + 1, (count, *op.shape))


def differences(found: Conversion, count: int = 20, seed: int = 0) -> dict[str, int]:
    """Return how many numbers of each operator the runtime has that the graph has not."""
    assert found.check is not None
    samples = random_samples(found, count, seed)
    for name, values in interpret(found.graph, samples).values.items():
        assert values.min() < values.max(), f"{name} is {values.min()} everywhere"
    parts = found.check(samples)
    assert parts
    return {part.path: part.different for part in parts}


def equal(found: Conversion, count: int = 20, seed: int = 0) -> None:
    """Check that the runtime and the graph have the same numbers everywhere."""
    assert set(differences(found, count, seed).values()) == {0}
