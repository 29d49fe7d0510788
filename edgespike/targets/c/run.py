"""Run a network in C on this computer and return every observed node's values."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.targets.base import TracingRunner
from edgespike.targets.c.build import ZIG, compile_library, compiler, load
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.source import Written, write_c
from edgespike.targets.c.values import Value
from edgespike.targets.shared.channels_last import plane
from edgespike.trace import Trace, observed_names

PREFIX = "network"


def version() -> str:
    """Return the compiler's command.

    Raises
    ------
    EnvironmentMissingError
        There is no compiler.
    """
    command = compiler()
    return f"C99 by {'zig cc' if command == ZIG else Path(command[0]).name}"


def prepare(graph: Graph, forced: Mapping[str, Kernel] | None = None) -> TracingRunner:
    """Write, compile and load a graph; parameters are those of :func:`write_c`."""
    return prepare_written(graph, write_c(graph, PREFIX, forced))


def prepare_written(graph: Graph, written: Written, *options: str) -> TracingRunner:
    """Compile and load a network."""
    with TemporaryDirectory(prefix="edgespike-c-") as folder:
        place = Path(folder)
        (place / f"{written.prefix}.h").write_text(written.header)
        (place / f"{written.prefix}.c").write_text(written.source)
        compile_library(
            place / f"{written.prefix}.c",
            place / "network.so",
            f"-D{written.prefix}_OBSERVE",
            *options,
        )
        library = load(place / "network.so")
    return TracingRunner(graph, version(), runner(graph, written, library))


def stored(written: Written, graph: Graph, name: str) -> Value:
    """Return how the values of an observed node are shown."""
    tensor = graph.tensors[name]
    value = written.layout.values.get(name)
    shape = plane(tensor.shape)
    if value is None or value.levels:
        return Value(name, shape, "uint8_t")
    return value


def runner(graph: Graph, written: Written, library: ctypes.CDLL) -> Any:
    """Return the function that runs a batch."""
    names = observed_names(graph)
    values = [stored(written, graph, name) for name in names]
    prefix = written.prefix
    init, step = getattr(library, f"{prefix}_init"), getattr(library, f"{prefix}_step")
    init.restype = step.restype = None
    init.argtypes = [ctypes.c_void_p]
    step.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    observed = (ctypes.c_void_p * len(names)).in_dll(library, f"{prefix}_observed")
    memory = np.zeros(-(-written.memory // 8) + 64, np.int64)
    one_at_a_time = Lock()  # memory, and where values are shown, are there once
    source = written.layout.values[graph.input.name]

    def run(samples: NDArray[Any]) -> Trace:
        samples = as_samples(graph, samples)
        inputs = np.moveaxis(samples, 2, -1).astype(_dtype(source), order="C")
        found = {
            name: np.zeros((*samples.shape[:2], *_shape(graph, name, value)), _dtype(value))
            for name, value in zip(names, values, strict=True)
        }
        with one_at_a_time:
            for sample in range(len(samples)):
                init(memory.ctypes.data)
                for t in range(graph.steps):
                    for index, name in enumerate(names):
                        observed[index] = found[name][sample, t].ctypes.data
                    step(memory.ctypes.data, inputs[sample, t].ctypes.data)
        return Trace({name: np.moveaxis(each, -1, 2) for name, each in found.items()})

    return run


def _dtype(value: Value) -> np.dtype[Any]:
    return np.dtype(value.c_type.removesuffix("_t"))


def _shape(graph: Graph, name: str, value: Value) -> tuple[int, ...]:
    channels, *positions = graph.tensors[name].shape
    return (*positions, channels)
