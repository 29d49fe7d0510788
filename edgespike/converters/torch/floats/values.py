"""What a call of a module receives and gives while it is turned into nodes of a float net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgespike.converters.floats import Shape, UnreadableError
from edgespike.graph.ops.windows import Padding

NO_PADDING: Padding = (0, 0, 0, 0)

BATCH = 2
"""How many samples a module is shown: two, so that mixing them shows in a shape."""


@dataclass(frozen=True)
class Value:
    """The value of a node of the float net.

    Parameters
    ----------
    node
        Its name.
    shape
        As torch has it, without the axis of the batch.
    stored
        As the net has it: ``(features,)`` or ``(channels, height, width)``.
    padding
        Zeros around it that the next layer must add, ``(top, bottom, left, right)``; the shapes do
        not count them.
    """

    node: str
    shape: Shape
    stored: Shape
    padding: Padding = NO_PADDING


@dataclass(frozen=True)
class Answer:
    """Something whose largest entry is that of a value: a softmax of it, say.

    Parameters
    ----------
    value
        What it was made from.
    left_out
        What was left out, one word each.
    """

    value: Value
    left_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operator.

    Parameters
    ----------
    operator
        Its name: "conv2d".
    arguments
        By the names of the operator's schema, defaults included. Values of the net are `Value`;
        parameters and what is computed from them alone are tensors.
    shape
        Of the result in torch, with the axis of the batch; ``None`` if it is not one tensor.
    path
        Of the module that makes the call, "" for the net itself.
    label
        What the user calls it: the module's path, or the operator and its line.
    """

    operator: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    shape: Shape | None = None
    path: str = ""
    label: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or a default where the operator has none of that name."""
        return self.arguments.get(name, default)

    def value(self, name: str) -> Value:
        """Return an argument that must be a value of the net.

        Raises
        ------
        UnreadableError
            It is something else.
        """
        found = self.arguments[name]
        if isinstance(found, Answer):
            raise UnreadableError(
                f"follows {' and '.join(found.left_out)}, which no graph can compute inside the "
                "net; leave it out, or put it at the end"
            )
        if not isinstance(found, Value):
            raise UnreadableError(f"takes a constant for {name}; give a value of the net")
        return found

    def unpadded(self, name: str) -> Value:
        """Return an argument that must be a value of the net to which no zeros are added.

        Raises
        ------
        UnreadableError
            It is something else.
        """
        value = self.value(name)
        if value.padding != NO_PADDING:
            raise UnreadableError(
                "receives padded values; pad only before a convolution or a pool, or give that "
                "layer the padding"
            )
        return value
