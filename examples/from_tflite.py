"""A TFLite file of an int8 net, as TFLite Micro and as XNNPACK compute it: two graphs, both exact.

Needs ai-edge-litert, the extra "tflite". The file is written here, as a converter of TensorFlow
would write it: a convolution, a pool, and a dense layer.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions

flatbuffers = import_module("flatbuffers")
schema = import_module("ai_edge_litert.schema_py_generated")

rng = np.random.default_rng(0)
model, graph = schema.ModelT(), schema.SubGraphT()
model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
graph.tensors, graph.operators = [], []


def tensor(kind: int, scales: Any, zero_point: int, shape: Any, values: Any = None) -> int:
    """Add a tensor, a constant if it has values."""
    new = schema.TensorT()
    new.type, new.shape, new.buffer = kind, list(shape), 0
    new.quantization = schema.QuantizationParametersT()
    new.quantization.scale = np.atleast_1d(np.float32(scales))
    new.quantization.zeroPoint = np.full(np.size(scales), zero_point, np.int64)
    if values is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        new.buffer = len(model.buffers) - 1
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def operator(
    code: int, inputs: list[int], output: int, kind: int = 0, options: Any = None, version: int = 3
) -> None:
    """Add an operator."""
    entry = schema.OperatorCodeT()
    entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, code, version
    model.operatorCodes.append(entry)
    new = schema.OperatorT()
    new.opcodeIndex = len(model.operatorCodes) - 1
    new.inputs, new.outputs = inputs, [output]
    new.builtinOptionsType, new.builtinOptions = kind, options
    graph.operators.append(new)


def weights(source_scale: float, scales: Any, *shape: int) -> list[int]:
    """Add int8 weights and a bias for each output."""
    count = shape[0]
    values = rng.integers(-127, 128, shape).astype(np.int8)
    bias = rng.integers(-500, 500, count).astype(np.int32)
    return [
        tensor(schema.TensorType.INT8, scales, 0, shape, values),
        tensor(schema.TensorType.INT32, np.multiply(scales, source_scale), 0, [count], bias),
    ]


INT8 = schema.TensorType.INT8
image = tensor(INT8, 1 / 255, -128, [1, 12, 12, 1])
features = tensor(INT8, 0.02, -128, [1, 12, 12, 6])
pooled = tensor(INT8, 0.02, -128, [1, 6, 6, 6])
row = tensor(INT8, 0.02, -128, [1, 216])
logits = tensor(INT8, 0.15, 7, [1, 4])

conv = schema.Conv2DOptionsT()
conv.padding, conv.strideW, conv.strideH = schema.Padding.SAME, 1, 1
conv.fusedActivationFunction = schema.ActivationFunctionType.RELU
layer = weights(1 / 255, rng.uniform(0.002, 0.01, 6), 6, 3, 3, 1)
operator(schema.BuiltinOperator.CONV_2D, [image, *layer], features, 1, conv)
pool = schema.Pool2DOptionsT()
pool.padding, pool.strideW, pool.strideH = schema.Padding.VALID, 2, 2
pool.filterWidth = pool.filterHeight = 2
operator(schema.BuiltinOperator.MAX_POOL_2D, [features], pooled, 5, pool, version=2)
shape = tensor(schema.TensorType.INT32, [], 0, [2], np.array([-1, 216], np.int32))
operator(schema.BuiltinOperator.RESHAPE, [pooled, shape], row, version=1)
dense = schema.FullyConnectedOptionsT()
layer = weights(0.02, 0.003, 4, 216)
operator(schema.BuiltinOperator.FULLY_CONNECTED, [row, *layer], logits, 8, dense)

graph.inputs, graph.outputs, model.subgraphs = [image], [logits], [graph]
builder = flatbuffers.Builder(1024)
builder.Finish(model.Pack(builder), file_identifier=b"TFL3")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.tflite"
    path.write_bytes(builder.Output())

    samples = rng.integers(0, 256, (300, 1, 12, 12))
    answers = {}
    for rounding in ("tflm", "xnnpack"):
        found = conversion(path, ConvertOptions(rounding=rounding))
        print(found.graph.origin)
        for sentence in found.said:
            print(f"  {sentence}")
        if rounding == "xnnpack" or find_spec("tflite_micro"):
            assert found.check is not None
            parts = found.check(samples)
            assert not any(part.different for part in parts)
            print(f"  {sum(part.values for part in parts):,} numbers equal the runtime's")
        trace = edgespike.run(found.graph, samples)
        answers[rounding] = trace.accumulators(found.graph)

    one, other = answers.values()
    print(f"{np.count_nonzero(one != other)} of {one.size} logits depend on the rounding")
    print(edgespike.estimate_energy(found.graph, samples))
