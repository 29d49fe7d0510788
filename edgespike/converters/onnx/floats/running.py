"""Running an ONNX file in ONNX Runtime, to compare it with the net that was read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgespike.converters.onnx.floats.reading import Reading
from edgespike.converters.onnx.functions import inlined
from edgespike.converters.onnx.loading import load_model
from edgespike.converters.onnx.runtime import run_one_by_one, session_options
from edgespike.floats.net import Reals


def run_file(read: Reading, samples: Reals) -> Mapping[str, Reals]:
    """Return what an ONNX file computes in ONNX Runtime, by the name of the node read from it.

    Parameters
    ----------
    read
        What was read from the file.
    samples
        ``(samples, *shape)``, as the float net takes them.

    Raises
    ------
    EnvironmentMissingError
        onnxruntime is not installed.
    UnsupportedError
        ONNX Runtime does not run the file.

    Returns
    -------
    values
        ``(samples, 1, *shape)`` of each node whose value the file has; the readout's are the file's
        own answers, ``(samples, classes)``.
    """
    last = read.net.nodes[-1].name
    shown = {name: where for name, where in read.shown.items() if name != read.net.nodes[0].name}
    model, answer = _showing(read, [name for name, _ in shown.values()])
    given, options = {read.model.input: _as_taken(read, samples)}, session_options()
    names = [value.name for value in model.graph.output]
    whole = run_one_by_one(model, read.model.path, given, names, options)
    values = {}
    for node, (name, where) in shown.items():
        kept = np.empty((len(samples), where.elements.size))
        kept[:, where.elements.reshape(-1)] = whole[name].reshape(len(samples), -1)
        values[node] = kept.reshape(len(samples), 1, *where.stored)
    answers = np.asarray(whole[answer], np.float64).reshape(len(samples), -1)
    if "ArgMax" in read.left_out:  # classes, of which the last is not beyond the largest
        answers = (answers == np.arange(answers.max() + 1)).astype(np.float64)
    return {**values, last: answers}


def _showing(read: Reading, names: list[str]) -> tuple[Any, str]:
    """Return the file's model that gives all these values too, and the name of the answer."""
    from onnx import helper

    model = inlined(load_model(read.model.path))
    (answer,) = (value.name for value in model.graph.output)
    model.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names) if name != answer
    )
    return model, answer


def _as_taken(read: Reading, samples: Reals) -> Any:
    """Return samples in the file's order of the axes and type."""
    types = {"float": np.float32, "double": np.float64}
    kind = read.model.types[read.model.input]
    taken = samples.reshape(len(samples), -1)[:, read.input.elements.reshape(-1)]
    whole = taken.reshape(len(samples), *read.input.shape[1:])
    return whole.astype(types.get(kind, kind))
