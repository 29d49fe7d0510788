"""What is known of an ONNX value while a net of 8-bit numbers is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import named
from edgespike.graph.tensor import Integers
from edgespike.int8.net import Int8Op, PerChannel, Stored

Float32: TypeAlias = NDArray[np.float32]

Made: TypeAlias = tuple[Int8Op, tuple[str, ...]]
"""An operation of a net, and the nodes that it takes."""


class RefusedError(Exception):
    """A node that cannot be converted, and why."""


class UnknownValueError(Exception):
    """A value that a refused node should have computed."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Stored numbers, or the real numbers that they stand for.

    Parameters
    ----------
    node
        The net's node that has them.
    stored
        Scale and zero point, as the reader of the value takes them.
    places
        Where each element of the ONNX value, without its batch, stands among the node's.
    real
        Whether the value is dequantised.
    """

    node: str
    stored: Stored
    places: Integers
    real: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the ONNX value without its batch."""
        return self.places.shape


@dataclass(frozen=True, eq=False)
class Entering:
    """The model's input before anything says what its numbers stand for; ``places`` as above."""

    places: Integers

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the ONNX value without its batch."""
        return self.places.shape


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of a weighted layer that nothing has rounded yet.

    Parameters
    ----------
    factor
        Real value of one unit of each channel's sums, ``(channels,)``, float32.
    source
        The net's node that the layer takes.
    bias
        In these units, ``(channels,)``.
    offset
        A bias that is no whole number of units, in real numbers, ``(channels,)``.
    build
        Makes the operation of a bias and of what turns sums into stored numbers.
    """

    factor: Float32
    source: str
    bias: Integers
    offset: NDArray[np.float64] | None
    build: Callable[[Integers, PerChannel | None], Int8Op]


@dataclass(frozen=True, eq=False)
class Pending:
    """What a real operator computes, until a quantiser says how it is stored.

    Parameters
    ----------
    title
        Of the operator.
    make
        Makes the operation of how its result is stored; an activation narrows ``low..high``.
    shape
        Of the operator's result, without the batch.
    least, most
        What activations clip the result to.
    places
        Where each element of the ONNX value is among the node's, if not in the same order; then
        ``shape`` is the node's.
    later
        What moves the elements afterwards, or takes the largest.
    sums
        Of a weighted layer.
    certain
        Whether ONNX Runtime stores the same number also where the result is near a half.
    """

    title: str
    make: Callable[[Stored], Made]
    shape: tuple[int, ...]
    least: float = -math.inf
    most: float = math.inf
    places: Integers | None = None
    later: tuple[Callable[[Codes], Codes], ...] = ()
    sums: Sums | None = None
    certain: bool = True

    def clipped(self, least: float, most: float) -> Pending:
        """Return it with a clip behind."""
        low, high = max(self.least, least), min(self.most, most)
        return replace(self, least=min(low, most), most=max(high, least))


@dataclass(frozen=True, eq=False)
class Answer:
    """The argument of a softmax or sigmoid at the end, which is left out, and its name."""

    of: Codes | Pending
    name: str


@dataclass(frozen=True, eq=False)
class Finer:
    """The results of a layer that ONNX Runtime may store as their neighbours, more finely.

    Parameters
    ----------
    title
        Of the operator.
    codes
        The same values in units of ``1 / FINER`` of those that are stored.
    stored
        How they are stored; ``low..high`` is what activations leave.
    apart
        How far ONNX Runtime's results may be from these beside what float32 rounds, in stored
        units.
    """

    title: str
    codes: Codes
    stored: Stored
    apart: float = 0.0


FINER = 1024
"""How many units of a finer result are one of the stored one."""


@dataclass(frozen=True, eq=False)
class Units:
    """The model's answers, sums of a last layer that nothing stores.

    Parameters
    ----------
    name
        Of the real numbers in the model.
    node
        Of the net.
    factor
        Real value of one unit of each class, ``(classes,)``.
    rest
        What is left of a bias when it is rounded to units, ``(classes,)``, in units.
    """

    name: str
    node: str
    factor: Float32
    rest: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """A constant of whole numbers with scales.

    Parameters
    ----------
    numbers
        Zero points taken off.
    scale
        float32, as many axes as ``numbers``, each of length 1 or that of ``numbers``.
    kind
        The type that they are stored in: "int8".
    """

    numbers: Integers
    scale: Float32
    kind: str

    @property
    def real(self) -> Float32:
        """The real numbers."""
        return self.numbers.astype(np.float32) * self.scale

    def transposed(self, axes: tuple[int, ...]) -> Weights:
        """Return it with its axes in another order."""
        return Weights(self.numbers.transpose(axes), self.scale.transpose(axes), self.kind)

    def of_outputs(self, axis: int) -> Float32 | None:
        """Return the scale of each output ``(outputs,)``; ``None`` if it varies otherwise."""
        outputs = self.numbers.shape[axis]
        if self.scale.size not in (1, self.scale.shape[axis]):
            return None
        return np.broadcast_to(self.scale.ravel(), (outputs,)).astype(np.float32)


Value: TypeAlias = Codes | Entering | Pending | Answer | Weights


def kind_of(value: Value) -> str:
    """Return what messages call a value."""
    match value:
        case Codes():
            return "dequantised" if value.real else "stored"
        case Entering():
            return "the model's input, which nothing has quantised"
        case Pending():
            return f"the result of {named(value.title)}, which nothing has quantised"
        case Answer():
            return "the result of what ends a net"
        case Weights():
            return "a constant"
