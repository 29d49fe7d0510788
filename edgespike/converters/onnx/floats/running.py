"""Running an ONNX file in ONNX Runtime, to compare it with the net that was read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgespike.converters.onnx.floats.reading import Reading
from edgespike.converters.onnx.loading import load_model
from edgespike.extras import needs_extra
from edgespike.floats.net import Reals

AT_ONCE = 64
"""How many samples a file runs on at once, where it takes any number."""


def run_file(read: Reading, samples: Reals) -> Mapping[str, Reals]:
    """Return what an ONNX file computes in ONNX Runtime, by the name of the node read from it.

    Parameters
    ----------
    read
        What was read from the file.
    samples
        ``(samples, *shape)``, as the float net takes them.

    Returns
    -------
    values
        ``(samples, 1, *shape)`` of each node whose value the file has; the readout's are the file's
        own answers, ``(samples, classes)``.
    """
    last = read.net.nodes[-1].name
    shown = {name: where for name, where in read.shown.items() if name != read.net.nodes[0].name}
    session, answer = _session(read, [name for name, _ in shown.values()])
    names = [value.name for value in session.get_outputs()]
    found: dict[str, list[Any]] = {name: [] for name in names}
    for part in _parts(session, _as_taken(read, samples)):
        results = session.run(names, {read.model.input: part})
        for name, result in zip(names, results, strict=True):
            found[name].append(result)
    whole = {name: np.concatenate(parts) for name, parts in found.items()}
    values = {}
    for node, (name, where) in shown.items():
        kept = np.empty((len(samples), where.elements.size))
        kept[:, where.elements.reshape(-1)] = whole[name].reshape(len(samples), -1)
        values[node] = kept.reshape(len(samples), 1, *where.stored)
    answers = np.asarray(whole[answer], np.float64).reshape(len(samples), -1)
    if "ArgMax" in read.left_out:  # classes, of which the last is not beyond the largest
        answers = (answers == np.arange(answers.max() + 1)).astype(np.float64)
    return {**values, last: answers}


def _session(read: Reading, names: list[str]) -> tuple[Any, str]:
    """Return a session that gives all these values, and the name of the answer."""
    with needs_extra("onnx", "running an ONNX file"):
        import onnx
        import onnxruntime
    model = load_model(read.model.path)
    (answer,) = (value.name for value in model.graph.output)
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name)
        for name in dict.fromkeys(names)
        if name != answer
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    options.intra_op_num_threads = 1
    return (
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        ),
        answer,
    )


def _as_taken(read: Reading, samples: Reals) -> Any:
    """Return samples in the file's order of the axes and type."""
    types = {"float": np.float32, "double": np.float64}
    kind = read.model.types[read.model.input]
    taken = samples.reshape(len(samples), -1)[:, read.input.elements.reshape(-1)]
    whole = taken.reshape(len(samples), *read.input.shape[1:])
    return whole.astype(types.get(kind, kind))


def _parts(session: Any, samples: Any) -> list[Any]:
    fixed = session.get_inputs()[0].shape[0] == 1
    size = 1 if fixed else AT_ONCE
    return [samples[start : start + size] for start in range(0, len(samples), size)]
