"""A TFLite file, run by the runtime whose rounding its graph has, compared with the graph.

A runtime shows the outputs of a model only. So the file is run with all of its tensors as outputs,
and once more as it is, but for what follows the logits: kernels that a runtime would have merged
are merged then.
"""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.result import PartCheck, all_batches
from edgespike.converters.tflite import running
from edgespike.converters.tflite.convert import FoundNet, in_file_order
from edgespike.converters.tflite.kernels import Kernels
from edgespike.converters.tflite.model import TfliteModel
from edgespike.errors import EnvironmentMissingError, UnsupportedError
from edgespike.extras import install_command
from edgespike.graph.inputs import as_samples
from edgespike.int8.lowering import Lowered
from edgespike.interpreter import interpret
from edgespike.workers.worker import Worker

AT_ONCE = 25
"""How many samples are compared at once."""

TIMEOUT_S = 600.0
"""Seconds that a runtime may take for so many samples."""

_X86 = ("x86_64", "AMD64")


def check_file(
    found: FoundNet, lowered: Lowered, kernels: Kernels, samples: NDArray[Any]
) -> list[PartCheck]:
    """Compare each operator of a file with its graph on samples ``(samples, *shape)``.

    Raises
    ------
    EnvironmentMissingError
        The runtime is not installed.
    UnsupportedError
        The runtime on this computer is not the one whose rounding the graph has.
    TargetRunError
        The runtime failed, or does not run this file.
    InputError
        The samples do not fit.
    """
    runtime, title = runtime_of(kernels, found.model)
    whole = as_samples(lowered.graph, samples)
    return all_batches(
        _compared(found, lowered, runtime, title, whole[start : start + AT_ONCE])
        for start in range(0, len(whole), AT_ONCE)
    )


def runtime_of(kernels: Kernels, model: TfliteModel) -> tuple[str, str]:
    """Return the installed runtime with some kernels, and what it is called.

    Raises
    ------
    EnvironmentMissingError, UnsupportedError
        As for :func:`check_file`.
    """
    if kernels.name != "tflm":
        if not find_spec("ai_edge_litert"):
            raise EnvironmentMissingError(
                f"ai-edge-litert is not installed; run {install_command('tflite')}"
            )
        if kernels.name == "xnnpack":
            return "litert-xnnpack", "XNNPACK"
        if platform.machine() not in _X86:
            raise UnsupportedError(
                "the file cannot be compared with its graph",
                [
                    f"the rounding is {kernels.name}, and this computer is a {platform.machine()}, "
                    "where LiteRT's kernels may round differently; check it on an x86 computer"
                ],
            )
        return "litert-builtin", "LiteRT built-in"
    if find_spec("tflite_micro"):
        return "tflm", "TFLite Micro"
    # LiteRT's own reference kernels round all other operators as TFLite Micro does.
    differ = any(each.kind in ("FULLY_CONNECTED", "RELU") for each in model.operators)
    if differ or not find_spec("ai_edge_litert"):
        raise EnvironmentMissingError(
            "tflite-micro is not installed, and LiteRT's reference kernels round dense layers and "
            "RELU differently; run pip install --pre tflite-micro"
        )
    return "litert-reference", "LiteRT reference"


def _compared(
    found: FoundNet, lowered: Lowered, runtime: str, title: str, samples: NDArray[Any]
) -> list[PartCheck]:
    """Compare the operators on some samples ``(samples, 1 step, *shape)``."""
    operators = [
        each for each in found.model.operators if found.nodes.get(each.number) in lowered.nodes
    ]
    nodes = [found.nodes[each.number] for each in operators]
    ours = interpret(lowered.graph, samples, [lowered.nodes[node] for node in nodes]).values
    batch = found.input_of(samples[:, 0])
    tensors = [each.outputs[0] for each in operators]
    theirs = _run(found.model, tensors, runtime, batch)
    alone = _run(found.model, tensors[-1:], runtime, batch)
    titles = [*(each.title for each in operators), f"{operators[-1].title} alone"]
    parts: list[PartCheck] = []
    for what, node, tensor, expected in zip(
        titles, [*nodes, nodes[-1]], [*tensors, tensors[-1]], [*theirs, *alone], strict=True
    ):
        place = lowered.nodes[node]
        stored = in_file_order(ours[place][:, 0] + lowered.offsets[node], found.values[tensor])
        differ = np.asarray(stored != expected.reshape(stored.shape))
        parts.append(PartCheck.of(f"{what}, {title}", place, differ))
    return parts


def _run(
    model: TfliteModel, tensors: Sequence[int], runtime: str, batch: NDArray[Any]
) -> list[NDArray[Any]]:
    """Return tensors of a model, each ``(samples, ...)`` in the file's shape."""
    content = np.frombuffer(with_outputs(model, tensors), np.uint8)
    parameters = {"runtime": runtime, "outputs": len(tensors)}
    arrays = {"model": content, "batch": batch}
    outputs, _ = _worker(runtime).call(arrays, parameters, timeout_s=TIMEOUT_S)
    return [outputs[str(place)] for place in range(len(tensors))]


def with_outputs(model: TfliteModel, tensors: Sequence[int]) -> bytes:
    """Return a file whose graph gives other tensors: a list at its end, and a reference to it."""
    content = bytearray(model.content)
    content += bytes(-len(content) % 4)
    place, end = model.outputs_place, len(content)
    content += struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors)
    struct.pack_into("<I", content, place, end - place)
    return bytes(content)


@cache
def _worker(runtime: str) -> Worker:
    """Return a runtime's one worker of this process; it starts when it is first called."""
    return Worker(sys.executable, Path(running.__file__), what=f"the runtime {runtime}")
