"""What bounds a run from below: the work of a sample, and what one core can do at best.

An event-driven run adds, for each event, the weights of the synapses that it reaches: a roofline
of additions that are fed from the first cache. A dense run multiplies them all: a roofline of int8
products. Neither counts membranes, thresholds, pools, or finding the events.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

import edgespike
from edgespike.counting import Convention, dense_connections
from edgespike.graph import Conv2d, Dense, Graph

SOURCE = Path(__file__).with_name("engine_peaks.c")
CACHES = {"first cache": 2**14, "second cache": 2**18, "memory": 2**27}
"""Bytes that are read again and again, small enough for the cache."""

READ = 2**28
"""Bytes that a measurement reads in all."""

RUNS = 7
ROWS, INNER, COLUMNS = 512, 784, 256
"""Shape of the dense product."""


def work(graph: Graph, samples: NDArray[Any]) -> dict[str, float]:
    """Return what one sample costs, on average: operations, dense operations, neuron updates.

    An operation is an event, spike or number, that arrives at a synapse; it touches one weight,
    which is a byte.
    """
    total = edgespike.count(graph, samples).total
    operations = total.synaptic_operations[Convention.EVERY].sum()
    operations += total.multiply_accumulates[Convention.EVERY].sum()
    return {
        "operations": float(operations) / len(samples),
        "dense": float(_dense(graph)),
        "updates": float(total.neuron_updates.sum()) / len(samples),
        "weight_bytes": _weight_bytes(graph),
    }


def _weight_bytes(graph: Graph) -> float:
    """Return the size of all weights at a byte each."""
    return float(
        sum(node.op.weight.size for node in graph.nodes if isinstance(node.op, Conv2d | Dense))
    )


def _dense(graph: Graph) -> int:
    """Count the products of all steps that a dense run computes."""
    found = 0
    for node in graph.nodes:
        if isinstance(node.op, Conv2d | Dense):
            found += dense_connections(node.op, graph.tensors[node.inputs[0]].shape)
    return graph.steps * found


def peaks() -> dict[str, float]:
    """Measure one core: giga-operations and gigabytes a second.

    Additions widen int8 weights to 16 bits and add them in registers, from the first cache.
    Products are ONNX Runtime's MatMulInteger on a matrix of 512 x 784 x 256.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("install a C compiler that is called cc: the core's peak is measured in C")
    found = {"products": _products()}
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "peaks.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, str(SOURCE), "-o", str(library)], check=True)
        code = ctypes.CDLL(str(library))
    found["additions"] = _gigabytes(code.add_bytes, CACHES["first cache"])
    for name, size in CACHES.items():
        found[f"GB/s, {name}"] = _gigabytes(code.read_words, size)
    return found


def _gigabytes(function: Callable[..., Any], size: int) -> float:
    data = np.ones(size + 64, np.int8)
    start = data[-data.ctypes.data % 64 :]
    rounds = max(1, READ // size)
    arguments = ctypes.c_void_p(start.ctypes.data), ctypes.c_long(size), ctypes.c_long(rounds)
    return size * rounds / _seconds(partial(function, *arguments)) / 1e9


def _products() -> float:
    kinds = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32)
    shapes = ((ROWS, INNER), (INNER, COLUMNS), (ROWS, COLUMNS))
    a, _, c = (
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in zip("abc", kinds, shapes, strict=True)
    )
    rng = np.random.default_rng(0)
    weights = helper.make_tensor(
        "b", TensorProto.INT8, shapes[1], rng.integers(-127, 128, INNER * COLUMNS)
    )
    body = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "product", [a], [c], [weights]
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    batch = {"a": rng.integers(0, 2, shapes[0]).astype(np.uint8)}
    return ROWS * INNER * COLUMNS / _seconds(lambda: session.run(None, batch)) / 1e9


def _seconds(function: Callable[[], object]) -> float:
    """Return the best CPU time of several runs: a peak is what nothing disturbs."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)
