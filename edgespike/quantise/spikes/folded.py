"""A spiking net in real numbers whose events are whole numbers, as folding leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgespike.floats.net import FloatNet, FloatNode
from edgespike.floats.shapes import Shape


@dataclass(frozen=True, eq=False)
class Folded:
    """A net whose events are whole numbers.

    Parameters
    ----------
    net
        The net; its input is in units of the graph's input.
    shapes
        Of each node's value.
    sums
        Names of the nodes whose values are sums, which become accumulators.
    names
        The node that has a source node's values, or its events, by the source node's name.
    exact
        Whether nothing was rounded.
    """

    net: FloatNet
    shapes: dict[str, Shape]
    sums: frozenset[str]
    names: dict[str, str]
    exact: bool

    @property
    def by_name(self) -> Mapping[str, FloatNode]:
        """The nodes by name."""
        return self.net.by_name
