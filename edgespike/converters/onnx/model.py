"""An ONNX model as the converters read it: nodes in order, constants, shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """A node of a model.

    Parameters
    ----------
    title
        What messages call it: its name, or its type and its first output.
    op, domain
        Its type and where that is defined; "" for ONNX's own operators.
    version
        Of the operator set of this domain, as the model states it.
    inputs, outputs
        Names of values; "" for an optional one that is left out.
    attributes
        Numbers, strings, tuples of them, and numpy arrays.
    """

    title: str
    op: str
    domain: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A model with one input and one output.

    Parameters
    ----------
    nodes
        In an order in which they can run. Those that compute constants with ONNX's own operators
        are left out; those that quantise constants are kept.
    constants
        Values that do not depend on the input: initialisers, and what nodes compute of them.
    shapes
        Shape of each value with the batch as its first axis, which is 1 where the file leaves it
        open.
    types
        Type of each value by ONNX's name: "float", "uint8".
    input, output
        Names of the values that enter and leave.
    producer
        The program that wrote the file, as far as it says so.
    path
        The file, whose values keep their names here.
    """

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, NDArray[Any]]
    shapes: Mapping[str, tuple[int, ...]]
    input: str
    output: str
    producer: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    path: Path = Path()
