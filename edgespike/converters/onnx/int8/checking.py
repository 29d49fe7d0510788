"""A file on ONNX Runtime beside its graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.int8.values import Codes
from edgespike.converters.onnx.int8.walk import entering
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.result import PartCheck
from edgespike.extras import needs_extra
from edgespike.graph.inputs import as_samples
from edgespike.int8.lowering import Lowered
from edgespike.int8.net import Int8Net
from edgespike.interpreter import interpret

FUSED = {"session.qdqisint8allowed": "1"}
"""Settings with which ONNX Runtime takes its integer kernels for int8 too, also on x86."""


def check_file(
    model: OnnxModel,
    found: Mapping[str, Codes],
    net: Int8Net,
    lowered: Lowered,
    samples: NDArray[Any],
) -> list[PartCheck]:
    """Compare each stored tensor of a file with the graph, on samples of the graph's.

    Parameters
    ----------
    found
        What is known of the model's stored values, by name.

    Raises
    ------
    EnvironmentMissingError
        onnxruntime is not installed.
    InputError
        The samples do not fit.
    """
    x = as_samples(lowered.graph, samples)[:, 0]
    compared = {
        name: codes
        for name, codes in found.items()
        if codes.node in lowered.nodes and name != model.input
    }
    theirs = run(model, _entered(model, net, x), list(compared))
    nodes = sorted({lowered.nodes[codes.node] for codes in compared.values()})
    ours = interpret(lowered.graph, x[:, None], nodes).values
    parts = []
    for name, codes in compared.items():
        node = lowered.nodes[codes.node]
        numbers = ours[node][:, 0].reshape(len(x), -1) + lowered.offsets[codes.node]
        expected = theirs[name].astype(np.int64)
        placed = numbers[:, codes.places.ravel()].reshape(expected.shape)
        parts.append(PartCheck(name, node, placed.size, int(np.count_nonzero(placed != expected))))
    return parts


def _entered(model: OnnxModel, net: Int8Net, x: NDArray[Any]) -> NDArray[Any]:
    """Return what the model takes for samples ``(samples, *shape)`` of the graph."""
    stored = net.nodes[0].stored
    places = entering(model).places
    moved = x.reshape(len(x), -1)[:, places.ravel()].reshape(len(x), *places.shape)
    if model.types[model.input] == "float":
        return moved.astype(np.float32) * np.float32(stored.scale)
    return (moved + stored.zero_point).astype(model.types[model.input])


def run(
    model: OnnxModel, samples: NDArray[Any], names: list[str], *, optimised: bool = True
) -> dict[str, NDArray[Any]]:
    """Return values of a model on ONNX Runtime, one sample at a time, by name.

    Raises
    ------
    EnvironmentMissingError
        onnxruntime is not installed.
    """
    with needs_extra("onnx", "running an ONNX file"):
        import onnx
        import onnxruntime
    proto = onnx.load(model.path)
    have = {value.name for value in proto.graph.output}
    proto.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in have
    )
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = 1
    for key, value in FUSED.items():
        settings.add_session_config_entry(key, value)
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    each = [session.run(names, {model.input: sample[None]}) for sample in samples]
    return {
        name: np.concatenate(values)
        for name, values in zip(names, zip(*each, strict=True), strict=True)
    }
