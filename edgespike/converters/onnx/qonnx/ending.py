"""The answers: the last sums, with their bias in whole units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, lcm

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.shapes import flattened
from edgespike.converters.onnx.qonnx.state import Activation, State, every, real
from edgespike.converters.onnx.qonnx.steps import Line, OverRoot, Step
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import Dense, Readout
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.passes.folding import fine_root

DROPPED = ("Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "TopK")
"""Operators at the end that do not change which class is the answer."""

UNEQUAL_PARTS = 2**8
"""Parts of a unit where classes have scales of their own, so that no parts keep every order."""

CLASS_LIMIT = 2**12
"""Most levels that are the answer."""

PARTS_LIMIT = 2**10
"""Most parts that a unit of the last sums is divided into for the bias."""


@dataclass(frozen=True, eq=False)
class Answers:
    """How the file's last value follows from the graph's answers.

    Parameters
    ----------
    value
        Its name in the file.
    factor, offset
        ``factor * n + offset`` is the file's value of a class, for whole sums ``n``.
    parts, bias
        ``parts * sign * n + bias`` is the graph's, with the sign of the factor.
    """

    value: str
    factor: NDArray[np.float64]
    offset: NDArray[np.float64]
    parts: int
    bias: Integers


def finish(state: State, node: OnnxNode, x: Activation) -> Answers:
    """Append the readout of a value, and say what it leaves out.

    Parameters
    ----------
    node
        That gives the value.
    """
    path = node.title
    x = flattened(state, node, x)
    if x.order is not None:
        raise ConversionStoppedError(
            f"{path} gives answers of images with the channels last; transpose them"
        )
    factors, offsets = _as_lines(path, x.steps, state.channels(x))
    if 0 in factors:
        raise ConversionStoppedError(f"{path} multiplies a class by 0")
    signs = np.array([1 if factor > 0 else -1 for factor in factors], np.int64)
    units = [abs(factor) for factor in factors]
    whole = all((o / unit).denominator == 1 for o, unit in zip(offsets, units, strict=True))
    shared = None if whole or every(units) is None else every(offsets)
    if shared:
        state.said.append(
            f"the answers are the values of {path} less {real(shared):.9g}, the same for every "
            "class"
        )
    bias = [(offset - (shared or 0)) / unit for offset, unit in zip(offsets, units, strict=True)]
    parts = _parts(bias, equal=len(set(units)) == 1)
    added = [floor(parts * value + Fraction(1, 2)) for value in bias]
    if max(map(abs, added)) > ACCUMULATOR_LIMIT:
        raise ConversionStoppedError(
            f"{path} adds a bias of {real(max(bias, key=abs)):.3g} units of its sums; the limit is "
            f"+-{ACCUMULATOR_LIMIT}"
        )
    _say_rounding(
        state, path, [w - parts * b for w, b in zip(added, bias, strict=True)], units, parts
    )
    name = _weighed(state, path, x, signs * parts, np.array(added, np.int64))
    scales = np.array([real(unit / parts) for unit in units])
    state.append(path, "readout", Readout(scales), name)
    factor, offset = (np.array([real(v) for v in each]) for each in (factors, offsets))
    return Answers(node.outputs[0], factor, offset, parts, np.array(added, np.int64))


def _as_lines(
    path: str, steps: tuple[Step, ...], channels: int
) -> tuple[list[Fraction], list[Fraction]]:
    """Return factor and offset of each class; roots are rounded, far below float64."""
    factors, offsets = [Fraction(1)] * channels, [Fraction(0)] * channels
    for step in steps:
        match step:
            case Line():
                factors = [f * g for f, g in zip(factors, step.factor, strict=True)]
                offsets = [
                    o * g + p for o, g, p in zip(offsets, step.factor, step.offset, strict=True)
                ]
            case OverRoot(square):
                roots = [fine_root(value) for value in square]
                factors = [f / root for f, root in zip(factors, roots, strict=True)]
                offsets = [o / root for o, root in zip(offsets, roots, strict=True)]
            case _:
                raise ConversionStoppedError(
                    f"{path} ends the net with a clip or a pool; end it with sums, or with a Quant"
                )
    return factors, offsets


def _parts(bias: list[Fraction], *, equal: bool) -> int:
    """Return into how many parts a unit is divided, so that the bias in whole parts is enough.

    That is where it is exact, or where no order of two classes of one scale depends on what is
    rounded off: their sums differ by whole units, so only the side of a whole number matters.
    """
    exact = lcm(*(value.denominator for value in bias))
    if exact <= PARTS_LIMIT:
        return exact
    if not equal:
        return UNEQUAL_PARTS
    parts = 1
    while parts < PARTS_LIMIT and not _keeps_order(bias, parts):
        parts *= 2
    return parts


def _keeps_order(bias: list[Fraction], parts: int) -> bool:
    rounded = [Fraction(floor(parts * value + Fraction(1, 2)), parts) for value in bias]
    # Sorted by what is left of a whole number, rounding must keep equal what is equal, and strict
    # what is strict; one whole number is the same place for all.
    places = sorted(
        (value - floor(value), near - floor(value))
        for value, near in zip(bias, rounded, strict=True)
    )
    first = places[0]
    pairs = zip(places, [*places[1:], (first[0] + 1, first[1] + 1)], strict=True)
    return all((a[0] < b[0]) == (a[1] < b[1]) and a[1] <= b[1] for a, b in pairs)


def _say_rounding(
    state: State, path: str, errors: list[Fraction], units: list[Fraction], parts: int
) -> None:
    worst = max(abs(e) * u / parts for e, u in zip(errors, units, strict=True))
    if not worst:
        return
    ordered = len(set(units)) == 1 and parts < PARTS_LIMIT
    state.said.append(
        f"the bias of {path} is rounded to 1/{parts} of a unit of its sums, which moves its values "
        f"by at most {real(worst):.3g}"
        + ("; which class is largest does not change" if ordered else "")
    )


def _weighed(state: State, path: str, x: Activation, factors: Integers, bias: Integers) -> str:
    """Return a node with the value's sums times whole factors, and a bias."""
    source = next(node for node in state.builder.nodes if node.name == x.node)
    if isinstance(source.op, Dense):
        if (factors == 1).all() and not bias.any():
            return x.node
        weight, old = source.op.weight * factors[:, None], source.op.bias * factors
        return state.append(
            path, "sums", replace(source.op, weight=weight, bias=old + bias), *source.inputs
        )
    if state.tensor(x).signal.is_event:
        if len(factors) > CLASS_LIMIT:
            raise ConversionStoppedError(
                f"{path} ends the net with {len(factors)} levels; the limit is {CLASS_LIMIT}"
            )
        return state.append(path, "sums", Dense(np.diag(factors), bias), x.node)
    if (factors == 1).all() and not bias.any():
        return x.node
    raise ConversionStoppedError(
        f"{path} ends the net with pooled sums, or sums of two branches, and a bias that differs "
        "by class; end it with a dense layer"
    )
