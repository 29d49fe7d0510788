"""A QONNX file beside its graph: every quantiser's levels and the answers, as qonnx runs it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.loading import shown_line
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.onnx.qonnx.ending import Answers
from edgespike.converters.onnx.qonnx.shapes import in_axes
from edgespike.converters.onnx.qonnx.state import Activation, Part
from edgespike.converters.onnx.qonnx.steps import Line
from edgespike.converters.onnx.qonnx.walk import QUANTISERS, Walked
from edgespike.converters.result import PartCheck
from edgespike.errors import EnvironmentMissingError, UnsupportedError
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret

Pair = tuple[NDArray[Any], NDArray[Any]]
"""The graph's whole numbers, and those that the file's values stand for."""


def check(model: OnnxModel, walked: Walked, samples: NDArray[Any]) -> list[PartCheck]:
    """Run the file on samples that the graph takes, one by one, and compare all its levels.

    Where float32 may round a sum to either side of a threshold, and qonnx takes the other side than
    the graph, this is no difference; what follows from it in this sample is then not compared.

    Parameters
    ----------
    samples
        Integers ``(samples, *shape)``.

    Raises
    ------
    EnvironmentMissingError
        qonnx is not installed.
    InputError
        The samples do not fit.
    """
    graph, parts = walked.graph, walked.parts
    samples = as_samples(graph, samples)[:, 0]
    readout = graph.readout.name
    kept = {readout, *(name for part in parts for name in (part.activation.node, part.source))}
    trace = interpret(graph, samples, sorted(kept))
    ours = {name: values[:, 0] for name, values in trace.values.items()}
    names = [(part.path, part.activation.node) for part in parts]
    names += [("sums of the answers", readout), ("classes", readout)]
    values, different = [0] * len(names), [0] * len(names)
    for index, theirs in enumerate(run_file(model, file_inputs(model, walked, samples))):
        here = {name: array[index : index + 1] for name, array in ours.items()}
        for i, apart in enumerate(_compared(walked, here, theirs)):
            values[i] += apart.size
            different[i] += int(apart.sum())
    counts = zip(names, values, different, strict=True)
    return [PartCheck(path, node, n, differ) for (path, node), n, differ in counts]


def _compared(
    walked: Walked, ours: dict[str, Integers], theirs: dict[str, NDArray[Any]]
) -> Iterator[NDArray[np.bool_]]:
    """Yield where the parts of one sample differ, then the sums, then the class."""
    readout = walked.graph.readout
    for part in walked.parts:
        mine, other = _levels(part, ours[part.activation.node], theirs[part.value])
        apart = np.asarray(mine != other)
        unsure = _unsure(part, ours[part.source], apart)
        yield apart & ~unsure
        if (apart & unsure).any():
            return
    logits = theirs[walked.answers.value].reshape(1, -1)
    mine, other = _sums(walked.answers, ours[readout.name], logits)
    yield np.asarray(mine != other)
    mine = ours[readout.name] * walked.graph.readout_op.scale
    yield np.asarray(mine.argmax(1) != logits.argmax(1))


def _unsure(part: Part, source: Integers, apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where float32 may quantise otherwise; everywhere, if it is unknown behind a pool."""
    found = np.zeros(source.shape, np.bool_)
    for channel, numbers in part.unsure.items():
        found[:, channel] = np.isin(source[:, channel], list(numbers))
    placed = in_axes(found, part.activation)
    return placed if placed.shape == apart.shape else np.full(apart.shape, found.any())


def file_inputs(model: OnnxModel, walked: Walked, samples: Integers) -> NDArray[np.float32]:
    """Return what the file takes, ``(samples, *shape)``, for a graph's samples."""
    real = (samples * walked.graph.input_op.scale).astype(np.float32)
    return in_axes(real, walked.input)


def run_file(model: OnnxModel, inputs: NDArray[np.float32]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield all values of a file for each input, by name, as qonnx computes them.

    Raises
    ------
    EnvironmentMissingError
        qonnx is not installed.
    UnsupportedError
        It does not run the file.
    """
    try:
        yield from _executed(model, inputs)
    except ImportError as error:
        raise EnvironmentMissingError(
            "qonnx, which runs QONNX files, is not installed; pip install qonnx, or leave --check "
            f"out ({error})"
        ) from None
    # Its errors, and those of ONNX Runtime that it calls, have no common class.
    except Exception as error:
        raise UnsupportedError(
            "model cannot be compared with its source",
            [f"qonnx does not run {model.path} ({shown_line(error)}); leave --check out"],
        ) from error


def _executed(model: OnnxModel, inputs: NDArray[np.float32]) -> Iterator[dict[str, NDArray[Any]]]:
    import onnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    proto = onnx.load(str(model.path))
    for value in proto.graph.input:
        if value.name == model.input:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    for node in proto.graph.node:
        if node.op_type in QUANTISERS and node.domain:
            node.domain = "qonnx.custom_op.general"  # where they are now; FINN's name is older
    wrapper = ModelWrapper(proto).transform(InferShapes())
    for name, shape in model.shapes.items():
        if name in wrapper.get_all_tensor_names() and wrapper.get_initializer(name) is None:
            wrapper.set_tensor_shape(name, list(shape))
    for one in inputs:
        with warnings.catch_warnings():
            # It warns of shapes that its own inference did not find.
            warnings.filterwarnings("ignore", "Output shapes disagree", UserWarning)
            values = execute_onnx(wrapper, {model.input: one[None]}, return_full_exec_context=True)
        yield values


def _levels(part: Part, ours: Integers, theirs: NDArray[Any]) -> Pair:
    x = part.activation
    mine = in_axes(ours, x)
    match x.steps:
        case (Line() as line,):
            factor, offset = (_along(values, x, mine.ndim) for values in (line.factor, line.offset))
            return mine, np.rint((theirs - offset) / factor)
        case _:
            return mine, theirs


def _along(values: tuple[Any, ...], x: Activation, ndim: int) -> NDArray[np.float64]:
    """Return one number a channel, so that it belongs to the file's axis of channels."""
    row = np.array([float(value) for value in values])
    if x.order is not None:
        row = row[x.order]
    return row.reshape([-1 if axis == x.channel_axis else 1 for axis in range(ndim)])


def _sums(answers: Answers, ours: Integers, theirs: NDArray[Any]) -> Pair:
    whole = (ours - answers.bias) // answers.parts * np.sign(answers.factor)
    return whole, np.rint((theirs - answers.offset) / answers.factor)
