"""TFLite models of one operator, and the runtimes that they run on."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.int8.net import Stored
from edgespike.targets.tflite.environment import environment_python

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers in a file, with one scale or one for each index of an axis."""

    values: Array
    scales: Sequence[float] = (1.0,)
    axis: int = 0


@dataclass(frozen=True)
class Variable:
    """A tensor that is computed."""

    shape: tuple[int, ...]
    stored: Stored


@dataclass(frozen=True, eq=False)
class OneOp:
    """A model of one operator.

    Parameters
    ----------
    operator
        Its name in the schema, such as ``CONV_2D``.
    options
        Name of the table of options, and its fields.
    inputs
        Variables are the model's inputs.
    output
        The model's output.
    """

    operator: str
    options: tuple[str, dict[str, int]]
    inputs: tuple[Variable | Constant, ...]
    output: Variable

    def content(self) -> bytes:
        """Return the bytes of the file."""
        schema = import_module("ai_edge_litert.schema_py_generated")
        flatbuffers = import_module("flatbuffers")
        tensors, buffers = [], [schema.BufferT()]
        for each in (*self.inputs, self.output):
            tensors.append(_tensor(schema, each, buffers))
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, self.operator)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 3 if self.operator.endswith("CONV_2D") else 2
        kind, fields = self.options
        options = getattr(schema, f"{kind}T")()
        for name, value in fields.items():
            setattr(options, name, value)
        op = schema.OperatorT()
        op.inputs, op.outputs = list(range(len(self.inputs))), [len(self.inputs)]
        op.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        op.builtinOptions = options
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.outputs = tensors, [op], [len(self.inputs)]
        graph.inputs = [i for i, each in enumerate(self.inputs) if isinstance(each, Variable)]
        model = schema.ModelT()
        model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
        model.buffers = buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _tensor(schema: Any, each: Variable | Constant, buffers: list[Any]) -> Any:
    tensor, quantisation = schema.TensorT(), schema.QuantizationParametersT()
    if isinstance(each, Constant):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(each.values.tobytes(), np.uint8)
        tensor.buffer = len(buffers)
        buffers.append(buffer)
        shape, dtype, scales, zero = each.values.shape, each.values.dtype, each.scales, 0
        quantisation.quantizedDimension = each.axis
    else:
        shape, dtype = each.shape, np.dtype(np.int8)
        scales, zero = (each.stored.scale,), each.stored.zero_point
    tensor.name = f"t{len(buffers)}"
    tensor.shape = list(shape)
    tensor.type = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}[dtype.name]
    quantisation.scale = list(scales)
    quantisation.zeroPoint = [zero] * len(scales)
    if not (isinstance(each, Constant) and each.scales == ()):
        tensor.quantization = quantisation
    return tensor


def run_litert(model: bytes, kernels: str, *inputs: Array) -> Array:
    """Run ai-edge-litert with a resolver: AUTO, BUILTIN_REF, ..."""
    litert = import_module("ai_edge_litert.interpreter")
    return _run(litert, model, kernels, inputs)


def run_tflm(model: bytes, *inputs: Array) -> Array:
    """Run TFLite Micro."""
    runtime = import_module("tflite_micro").runtime
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=2**22)
    for index, values in enumerate(inputs):
        interpreter.set_input(values, index)
    interpreter.invoke()
    return np.asarray(interpreter.get_output(0))


def _run(module: Any, model: bytes, kernels: str, inputs: Sequence[Array]) -> Array:
    interpreter = module.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=getattr(module.OpResolverType, kernels),
    )
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def run_tflite_runtime(
    folder: Path, models: Sequence[bytes], kernels: str, inputs: Sequence[Sequence[Array]]
) -> list[Array]:
    """Run tflite-runtime, which has an environment of its own, on several models at once."""
    arrays: dict[str, Any] = {
        f"{i}.{j}": x for i, each in enumerate(inputs) for j, x in enumerate(each)
    }
    arrays |= {f"{i}.model": np.frombuffer(model, np.uint8) for i, model in enumerate(models)}
    given, answers = folder / "given.npz", folder / "answers.npz"
    np.savez(given, **arrays)
    script = f"{_SCRIPT}\nmain({str(given)!r}, {str(answers)!r}, {kernels!r})\n"
    subprocess.run(
        [str(environment_python()), "-c", script], check=True, capture_output=True, timeout=120
    )
    with np.load(answers) as found:
        return [found[str(i)] for i in range(len(models))]


_SCRIPT = """
import numpy as np
from tflite_runtime import interpreter as runtime

def main(given, answers, kernels):
    found = np.load(given)
    out = {}
    for i in range(sum(name.endswith(".model") for name in found.files)):
        interpreter = runtime.Interpreter(
            model_content=found[f"{i}.model"].tobytes(),
            num_threads=1,
            experimental_op_resolver_type=getattr(runtime.OpResolverType, kernels),
        )
        interpreter.allocate_tensors()
        for j, detail in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(detail["index"], found[f"{i}.{j}"])
        interpreter.invoke()
        detail = interpreter.get_output_details()[0]
        out[str(i)] = interpreter.get_tensor(detail["index"])
    np.savez(answers, **out)
"""
