"""ONNX models of 8-bit numbers, made by hand or by ONNX Runtime, and how they compare."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

onnx = pytest.importorskip("onnx", reason="ONNX files need onnx: pip install -e '.[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX Runtime: pip install -e '.[onnx]'")
if platform.machine() not in {"x86_64", "AMD64"}:
    pytest.skip("ONNX Runtime's kernels are those of x86-64", allow_module_level=True)

from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.onnx.int8 import convert_int8  # noqa: E402
from edgespike.converters.onnx.int8.checking import entered  # noqa: E402
from edgespike.converters.onnx.int8.convert import read_net  # noqa: E402
from edgespike.converters.onnx.int8.running import run  # noqa: E402
from edgespike.converters.onnx.int8.values import Codes  # noqa: E402
from edgespike.converters.onnx.reading import read_onnx  # noqa: E402
from edgespike.converters.result import Conversion  # noqa: E402
from edgespike.graph import Graph  # noqa: E402
from edgespike.graph.tensor import Integers  # noqa: E402
from edgespike.int8.lowering import lower  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402

MICROSOFT = "com.microsoft"


@dataclass
class Draft:
    """A model under construction; its input is ``x``.

    Parameters
    ----------
    shape
        Of the input without its batch, which is open.
    kind
        Type of the input.
    activations
        What they are stored in; zero points are given as those of uint8.
    """

    shape: tuple[int, ...]
    kind: str = "float32"
    opset: int = 17
    activations: str = "uint8"
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, values: ArrayLike, kind: str = "float32") -> str:
        """Store a constant, and return its name."""
        name = f"c{len(self.constants)}"
        array = np.asarray(values).astype(kind)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **more: Any) -> str:
        """Add a node, and return the name of its first result."""
        number = len(self.nodes)
        names = [f"v{number}", *(f"v{number}_{i}" for i in range(1, outputs))]
        made = onnx.helper.make_node(op, inputs, names, f"{op}_{number}", domain=domain, **more)
        self.nodes.append(made)
        return names[0]

    def scales(self, scale: ArrayLike, zero: ArrayLike, kind: str) -> tuple[str, str]:
        """Store a scale and a zero point."""
        return self.constant(scale), self.constant(zero, kind)

    def zero(self, zero: int) -> int:
        """Return the zero point of an activation for that of uint8."""
        return zero if self.activations == "uint8" else zero - 128

    def stored(self, x: str, scale: float, zero: int) -> str:
        """Quantise an activation."""
        scales = self.scales(scale, self.zero(zero), self.activations)
        return self.node("QuantizeLinear", x, *scales)

    def real(self, x: str, scale: ArrayLike, zero: ArrayLike, kind: str, **more: Any) -> str:
        """Dequantise a value."""
        return self.node("DequantizeLinear", x, *self.scales(scale, zero, kind), **more)

    def qdq(self, x: str, scale: float, zero: int) -> str:
        """Quantise and dequantise an activation."""
        scales = self.scales(scale, self.zero(zero), self.activations)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *scales), *scales)

    def numbers(self, *shape: int, kind: str = "int8") -> Integers:
        """Draw weights, zero points not taken off.

        Those of int8 have 7 bits: without VNNI, ONNX Runtime adds pairs of products in 16 bits.
        """
        low, high = (0, 256) if kind == "uint8" else (-64, 64)
        return self.rng.integers(low, high, shape)

    def weights(self, *shape: int, each: bool = False) -> str:
        """Draw dequantised weights, with one scale or one for each output."""
        scale = self.rng.uniform(0.002, 0.01, shape[0]) if each else np.array(0.005)
        zero = np.zeros(scale.shape)
        name = self.constant(self.numbers(*shape), "int8")
        return self.real(name, scale, zero, "int8", axis=0)

    def save(self, folder: Path, output: str) -> Path:
        """Write the model, and return its path."""
        graph = onnx.helper.make_graph(
            self.nodes,
            "net",
            [onnx.helper.make_tensor_value_info("x", _KINDS[self.kind], ["n", *self.shape])],
            [onnx.helper.make_empty_tensor_value_info(output)],
            self.constants,
        )
        made = onnx.helper.make_model(
            graph,
            opset_imports=[
                onnx.helper.make_opsetid("", self.opset),
                onnx.helper.make_opsetid(MICROSOFT, 1),
            ],
            ir_version=10,
        )
        path = folder / "net.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(made), path)
        return path


_KINDS = {
    "float32": onnx.TensorProto.FLOAT,
    "uint8": onnx.TensorProto.UINT8,
    "int8": onnx.TensorProto.INT8,
}


def converted(path: Path, options: ConvertOptions | None = None) -> Conversion:
    """Convert a file."""
    return convert_int8(read_onnx(path), options or ConvertOptions())


def samples_for(graph: Graph, count: int = 20) -> NDArray[np.int64]:
    """Draw inputs of a graph."""
    op = graph.input_op
    return np.random.default_rng(1).integers(op.low, op.high + 1, (count, *op.shape))


def differing(path: Path, count: int = 20, *, optimised: bool = True) -> dict[str, int]:
    """Return how many numbers of each stored tensor differ from ONNX Runtime's, by its name."""
    model = read_onnx(path)
    net, walk = read_net(model)
    lowered = lower(net, "net")
    x = samples_for(lowered.graph, count)
    stored = {
        name: codes
        for name, codes in walk.values.items()
        if isinstance(codes, Codes) and not codes.real and codes.node in lowered.nodes
        if name != "x"
    }
    theirs = run(model, {"x": entered(model, net, x)}, list(stored), optimised=optimised)
    ours = interpret(lowered.graph, x, set(lowered.nodes.values())).values
    found = {}
    for name, codes in stored.items():
        numbers = ours[lowered.nodes[codes.node]].reshape(count, -1) + lowered.offsets[codes.node]
        wanted = theirs[name].reshape(count, -1).astype(np.int64)
        assert wanted.min() < wanted.max(), f"{name} is {wanted.min()} everywhere"
        found[name] = int(np.count_nonzero(numbers[:, codes.places.ravel()] != wanted))
    assert found
    return found


def checked(path: Path, count: int = 20) -> int:
    """Return how many values of a file differ from the graph's, as ``--check`` finds."""
    found = converted(path)
    assert found.check is not None
    parts = found.check(samples_for(found.graph, count))
    assert parts
    assert all(part.values for part in parts)
    return sum(part.different for part in parts)
