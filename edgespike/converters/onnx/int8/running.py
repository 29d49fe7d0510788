"""An ONNX file on ONNX Runtime: any of its values, also with others given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.loading import load_model
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.onnx.runtime import run_one_by_one, session_options

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
    options = session_options()
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    # Two requantisations in a row would become one, with other numbers than the file's.
    options.add_session_config_entry("session.disable_double_qdq_remover", "1")
    if not optimised:
        import onnxruntime

        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    replaced = {name: name + _THEIRS for name in given if name != model.input}
    wanted = [replaced.get(name, name) for name in names]
    proto = _with_values(load_model(model.path), model, replaced, names)
    found = run_one_by_one(proto, model.path, given, wanted, options)
    return {name: found[theirs][:, 0] for name, theirs in zip(names, wanted, strict=True)}


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
