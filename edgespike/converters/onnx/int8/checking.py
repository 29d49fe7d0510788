"""A file on ONNX Runtime beside its graph.

Where ONNX Runtime adds up in float32, a result near a half may be stored as either neighbour. So
such a layer is compared within these two, and what follows gets the graph's numbers instead.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.int8.running import run
from edgespike.converters.onnx.int8.shapes import entering
from edgespike.converters.onnx.int8.values import FINER, Codes, Finer
from edgespike.converters.onnx.int8.walk import INPUT, Walk
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.result import PartCheck, all_batches
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.int8.lowering import Lowered
from edgespike.int8.net import Int8Net
from edgespike.int8.run import run_int8
from edgespike.interpreter import interpret

AT_ONCE = 32
"""How many samples are compared at once."""

NEAR = 2
"""How far float32 may be from the real result, in finer units."""


def check_file(
    model: OnnxModel, walk: Walk, net: Int8Net, lowered: Lowered, samples: NDArray[Any]
) -> list[PartCheck]:
    """Compare each stored tensor of a file with the graph, on samples of the graph's.

    Parameters
    ----------
    walk
        What was found of the model's values.

    Raises
    ------
    EnvironmentMissingError
        onnxruntime is not installed.
    InputError
        The samples do not fit.
    """
    x = as_samples(lowered.graph, samples)[:, 0]
    compare = partial(_compared, model, walk, net, lowered)
    return all_batches(compare(x[start : start + AT_ONCE]) for start in range(0, len(x), AT_ONCE))


def _compared(
    model: OnnxModel, walk: Walk, net: Int8Net, lowered: Lowered, x: Integers
) -> list[PartCheck]:
    """Compare on a batch ``(samples, *shape)``."""
    stored = {
        name: codes
        for name, codes in walk.values.items()
        if isinstance(codes, Codes) and not codes.real and codes.node in lowered.nodes
        if codes.node != INPUT
    }
    ours = _numbers(lowered, x)
    given = {
        name: _placed(ours[codes.node], codes).astype(model.types[name])
        for name, codes in stored.items()
        if codes.node in walk.finer
    }
    units = walk.units
    names = [*stored, *([units.name] if units else ())]
    theirs = run(model, {model.input: entered(model, net, x), **given}, names)
    finer = run_int8(Int8Net((*net.nodes, *walk.beside)), x + net.nodes[0].stored.zero_point)
    parts = []
    for name, codes in stored.items():
        node, expected = codes.node, theirs[name].astype(np.int64)
        numbers = _placed(ours[node], codes)
        differ = numbers != expected
        if node in walk.finer:
            more = walk.finer[node]
            differ = ~_is_neighbour(expected, _placed(finer[more.codes.node], codes), more)
        parts.append(PartCheck.of(name, lowered.nodes[node], differ))
    if units is not None:
        whole = np.rint(theirs[units.name].reshape(len(x), -1) / units.factor - units.rest)
        differ = whole != ours[units.node].reshape(len(x), -1)
        parts.append(PartCheck.of(units.name, lowered.nodes[units.node], differ))
    return parts


def _numbers(lowered: Lowered, x: Integers) -> dict[str, Integers]:
    """Return what the graph computes as the net's stored numbers, by the net's node."""
    values = interpret(lowered.graph, x[:, None], set(lowered.nodes.values())).values
    return {
        name: values[node][:, 0] + lowered.offsets[name] for name, node in lowered.nodes.items()
    }


def _placed(numbers: Integers, codes: Codes) -> Integers:
    """Return a node's numbers as those of the model's value, ``(samples, *shape)``."""
    flat = numbers.reshape(len(numbers), -1)[:, codes.places.ravel()]
    return flat.reshape(len(numbers), *codes.shape)


def _is_neighbour(expected: Integers, finer: Integers, more: Finer) -> NDArray[np.bool_]:
    stored, apart = more.stored, NEAR + more.apart * FINER
    low, high = (
        np.clip(np.rint((finer + by) / FINER) + stored.zero_point, stored.low, stored.high)
        for by in (-apart, apart)
    )
    return np.asarray((low <= expected) & (expected <= high))


def entered(model: OnnxModel, net: Int8Net, x: NDArray[Any]) -> NDArray[Any]:
    """Return what the model takes for samples ``(samples, *shape)`` of the graph."""
    stored = net.nodes[0].stored
    places = entering(model).places
    moved = x.reshape(len(x), -1)[:, places.ravel()].reshape(len(x), *places.shape)
    if model.types[model.input] == "float":
        return moved.astype(np.float32) * np.float32(stored.scale)
    return (moved + stored.zero_point).astype(model.types[model.input])
