"""What a recorded module computed: its values, and the calls that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 3
"""Samples of a probe: more than one, so that the axis of samples is seen."""

SPIKES = "spikes"
"""The role of a neuron layer's output; its states have their names as roles."""


IDENTITIES = frozenset(
    {"detach", "detach_", "clone", "contiguous", "to", "float", "double", "type_as", "type"}
    | {"cpu", "cuda", "requires_grad_", "data", "retain_grad", "positive"}
)
"""Functions whose result has the values of their first argument."""


@dataclass(eq=False)
class Value:
    """A tensor that a module computed, or one that was there before.

    Parameters
    ----------
    tensor
        The tensor, kept alive so that its identity stays its own.
    call
        What made it; ``None`` for a constant and for an input.
    role
        Which result of the call it is: of a neuron layer `SPIKES` or a state's name, of a function
        its place among the results.
    input_of
        The probe's call that it is the input of, from 0; ``None`` if it is no input.
    """

    tensor: Tensor
    call: Call | None = None
    role: str = "0"
    input_of: int | None = None
    version: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the axis of samples."""
        return tuple(self.tensor.shape[1:])

    @property
    def is_constant(self) -> bool:
        """Whether it depends neither on the input nor on any neuron."""
        return self.call is None and self.input_of is None

    @property
    def is_zero(self) -> bool:
        """Whether it is a constant of zeros."""
        return self.is_constant and not bool(self.tensor.any())


@dataclass(eq=False)
class Call:
    """A call of a layer or of a torch function.

    Parameters
    ----------
    path
        Of the layer; empty for a function.
    name
        Of the function, or of the layer's class.
    module
        The layer; ``None`` for a function.
    args, kwargs
        What it was given, with a :class:`Value` for each tensor.
    before, after
        States of a neuron layer before and after the call, by name.
    place
        Of the call among all.
    """

    path: str
    name: str
    module: Any = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Value] = field(default_factory=dict)
    after: Mapping[str, Value] = field(default_factory=dict)
    place: int = 0

    @property
    def input(self) -> Any:
        """The first argument."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()), None)

    @property
    def is_neuron(self) -> bool:
        """Whether a neuron layer was called."""
        return bool(self.after)


def through(value: Value) -> Value:
    """Return the value that a value is equal to, where only copies lie between."""
    while value.call and value.call.module is None and value.call.name in IDENTITIES:
        value = value.call.args[0]
    return value


def leaves(given: Any) -> Iterator[Value]:
    """Yield the values in arguments or results, in order."""
    if isinstance(given, Value):
        yield given
    elif isinstance(given, tuple):
        for each in given:
            yield from leaves(each)
    elif isinstance(given, dict):
        for each in given.values():
            yield from leaves(each)
