"""Small QONNX nets, built node by node, and the comparison with qonnx's own execution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.qonnx import convert_qonnx
from edgespike.converters.onnx.reading import read_onnx
from edgespike.converters.result import Conversion
from edgespike.graph import Threshold
from edgespike.interpreter import interpret

BREVITAS, QONNX, FINN = "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general"
DOMAINS = (BREVITAS, QONNX, FINN)


class Net:
    """A net under construction; each method adds a node and returns the name of its value.

    Parameters
    ----------
    shape
        Of the input, without the batch.
    domain, version
        Of QONNX's operators.
    opset
        Of ONNX's own.
    """

    def __init__(self, *shape: int, domain: str = QONNX, version: int = 1, opset: int = 13) -> None:
        self.shape, self.domain, self.version, self.opset = shape, domain, version, opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, *inputs: Any, domain: str = "", **attributes: Any) -> str:
        """Add a node; inputs that are no names become constants."""
        output = f"v{len(self.nodes)}"
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(
            helper.make_node(
                op, names, [output], name=f"{op}_{len(self.nodes)}", domain=domain, **attributes
            )
        )
        return output

    def quant(
        self,
        x: Any,
        scale: Any = 1.0,
        zero: Any = 0.0,
        bits: float = 4,
        *,
        signed: int = 1,
        narrow: int = 0,
        mode: str = "ROUND",
        op: str = "Quant",
    ) -> str:
        return self.node(
            op,
            x,
            scale,
            zero,
            bits,
            domain=self.domain,
            signed=signed,
            narrow=narrow,
            rounding_mode=mode,
        )

    def bipolar(self, x: Any, scale: float = 1.0) -> str:
        return self.node("BipolarQuant", x, scale, domain=self.domain)

    def trunc(self, x: str, *constants: float, mode: str = "FLOOR", **attributes: Any) -> str:
        return self.node(
            "Trunc", x, *constants, domain=self.domain, rounding_mode=mode, **attributes
        )

    def thresholds(self, x: str, theta: Any, **attributes: Any) -> str:
        return self.node(
            "MultiThreshold", x, theta, domain=self.domain, out_dtype="INT32", **attributes
        )

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.constant(shape, np.int64))

    def norm(self, x: str, channels: int, rng: np.random.Generator) -> str:
        """Add a batch normalisation, also with negative gammas and one of 0."""
        gamma = rng.normal(size=channels)
        gamma[0] *= channels < 2
        return self.node(
            "BatchNormalization",
            x,
            gamma,
            rng.normal(size=channels),
            3 * rng.normal(size=channels),
            rng.uniform(0.5, 20, channels),
            epsilon=1e-5,
        )

    def model(self, output: str) -> onnx.ModelProto:
        kind = onnx.TensorProto.FLOAT
        numbers = output == "indices" or self.nodes[-1].op_type == "ArgMax"
        answer = onnx.TensorProto.INT64 if numbers else kind
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", kind, (1, *self.shape))],
            [helper.make_tensor_value_info(output, answer, None)],
            self.constants,
        )
        opsets = [
            helper.make_opsetid("", self.opset),
            helper.make_opsetid(self.domain, self.version),
        ]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, folder: Path, output: str) -> Path:
        path = folder / "net.onnx"
        onnx.save(self.model(output), path)
        return path


def converted(folder: Path, net: Net, output: str, **options: Any) -> Conversion:
    """Convert a net that ends in a value."""
    return convert_qonnx(read_onnx(net.save(folder, output)), ConvertOptions(**options))


def different(found: Conversion, samples: NDArray[np.int64]) -> list[tuple[str, int]]:
    """Name the parts that differ from what qonnx computes, and say in how many values."""
    assert found.check is not None
    parts = found.check(samples)
    assert all(part.values for part in parts), f"nothing is compared: {parts}"
    return [(part.path, part.different) for part in parts if part.different]


def samples_for(found: Conversion, count: int = 6, seed: int = 0) -> NDArray[np.int64]:
    op = found.graph.input_op
    rng = np.random.default_rng(seed)
    return rng.integers(op.low, op.high, (count, *op.shape), endpoint=True)


def agrees(folder: Path, net: Net, output: str, count: int = 6, **options: Any) -> Conversion:
    """Convert a net and let qonnx compute it: all levels, the sums and the class are equal."""
    found = converted(folder, net, output, **options)
    samples = samples_for(found, count)
    answers = interpret(found.graph, samples).accumulators(found.graph)
    assert (answers != answers[0]).any(), f"all samples have the answers {answers[0]}"
    apart = different(found, samples)
    assert not apart, (apart, [(node.op_type, node.attribute) for node in net.nodes])
    return found


def thresholds_of(found: Conversion) -> list[Threshold]:
    return [node.op for node in found.graph.nodes if isinstance(node.op, Threshold)]


def kinds(found: Conversion) -> Sequence[str]:
    return [node.op.kind for node in found.graph.nodes]
