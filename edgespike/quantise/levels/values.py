"""What a float node's value has become in a graph under construction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from edgespike.floats.net import FloatAffine, FloatConv2d, FloatDense, Reals
from edgespike.floats.weighted import then_affine
from edgespike.quantise.lines import Line


@dataclass(frozen=True, eq=False)
class Events:
    """Levels that travel: the value of a graph's node, and what they stand for."""

    node: str
    line: Line


@dataclass(frozen=True, eq=False)
class Sums:
    """A weighted sum that is a node of the graph, and what it stands for."""

    node: str
    line: Line


@dataclass(frozen=True, eq=False)
class Term:
    """A part of a weighted sum: events, and the layer that weighs them.

    Parameters
    ----------
    events
        What comes in.
    op
        Its weights are real numbers that multiply the real values of the events. ``None`` passes
        the events on, times ``factor``.
    factor
        One for each channel, of a term without a layer.
    """

    events: Events
    op: FloatConv2d | FloatDense | None
    factor: Reals

    def times(self, scale: Reals) -> Term:
        """Return the term with each channel multiplied."""
        if self.op is None:
            return replace(self, factor=self.factor * scale)
        return replace(self, op=then_affine(self.op, scale, np.zeros(len(scale))))


@dataclass(frozen=True, eq=False)
class Pending:
    """A weighted sum that is not rounded yet, so that affine maps and additions still fold.

    Parameters
    ----------
    terms
        What is added, besides the base.
    offset
        Added to each channel, beside the biases of the terms' layers.
    base
        A sum that is a node already, whose unit the terms must take; ``None`` if there is none.
    """

    terms: tuple[Term, ...]
    offset: Reals
    base: Sums | None = None

    def then(self, affine: FloatAffine) -> Pending:
        """Return an affine map of the sum, which has no base."""
        terms = tuple(term.times(affine.scale) for term in self.terms)
        return Pending(terms, self.offset * affine.scale + affine.offset)


Value: TypeAlias = Events | Sums | Pending
"""A float node's value."""


def identity(events: Events) -> Term:
    """Return the term that passes events on."""
    return Term(events, None, np.ones(len(events.line.scale)))
