"""An ONNX file on ONNX Runtime: any of its values, also with others given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.loading import load_model, shown_line
from edgespike.converters.onnx.model import OnnxModel
from edgespike.errors import UnsupportedError
from edgespike.extras import needs_extra

_THEIRS = ".computed"
"""Behind the name of a result that is compared, where what follows gets another."""


def run(
    model: OnnxModel,
    given: Mapping[str, NDArray[Any]],
    names: Collection[str],
    *,
    optimised: bool = True,
) -> dict[str, NDArray[Any]]:
    """Return values of a model on ONNX Runtime, one sample at a time, by name.

    Parameters
    ----------
    given
        Values ``(samples, *shape)``: the model's input, and results that what follows gets instead
        of those that are computed.
    names
        Which are returned: those that are computed.
    optimised
        Whether integer kernels take the place of float operators between quantisers, of int8
        too, which ONNX Runtime leaves alone on x86 by default.

    Raises
    ------
    EnvironmentMissingError
        onnxruntime is not installed.
    UnsupportedError
        ONNX Runtime does not run the file.
    """
    with needs_extra("onnx", "running an ONNX file"):
        import onnxruntime
    replaced = {name: name + _THEIRS for name in given if name != model.input}
    content = _with_values(load_model(model.path), model, replaced, names).SerializeToString()
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # errors are raised
    settings.intra_op_num_threads = 1
    settings.add_session_config_entry("session.qdqisint8allowed", "1")
    # Two requantisations in a row would become one, with other numbers than the file's.
    settings.add_session_config_entry("session.disable_double_qdq_remover", "1")
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    wanted = [replaced.get(name, name) for name in names]
    try:
        session = onnxruntime.InferenceSession(
            content, settings, providers=["CPUExecutionProvider"]
        )
        each = [
            session.run(wanted, {name: values[sample, None] for name, values in given.items()})
            for sample in range(len(given[model.input]))
        ]
    # Its errors have no common class.
    except Exception as error:
        raise UnsupportedError(
            "model cannot be compared with its source",
            [f"ONNX Runtime does not run {model.path} ({shown_line(error)}); leave --check out"],
        ) from error
    return {name: np.concatenate([one[place] for one in each]) for place, name in enumerate(names)}


def _with_values(
    proto: Any, model: OnnxModel, replaced: Mapping[str, str], names: Collection[str]
) -> Any:
    """Return a model that gives values by name, and takes others instead of computing them."""
    from onnx import helper

    for value in proto.graph.input:
        if value.name == model.input:  # samples are shown one by one
            first = value.type.tensor_type.shape.dim[0]
            first.Clear()
            first.dim_value = 1
    for node in proto.graph.node:
        computed = [replaced.get(name, name) for name in node.output]
        del node.output[:]
        node.output.extend(computed)
    for name in replaced:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(model.types[name]))
        shape = model.shapes[name]
        proto.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
    have = {value.name for value in proto.graph.output}
    proto.graph.output.extend(
        helper.make_empty_tensor_value_info(replaced.get(name, name))
        for name in names
        if replaced.get(name, name) not in have
    )
    return proto
