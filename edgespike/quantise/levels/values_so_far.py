"""What the float nodes so far have become, in the form that the next one needs."""

from __future__ import annotations

import numpy as np

from edgespike.floats.net import FloatAdd, FloatDelay, FloatPool2d, FloatReshape
from edgespike.quantise.levels.firing import Fired, fire, signed_grid
from edgespike.quantise.levels.state import State
from edgespike.quantise.levels.values import Events, Pending, Sums, Value, identity
from edgespike.quantise.levels.weighing import weigh
from edgespike.quantise.lines import Line


class Held:
    """The values of the float nodes so far.

    A value is rounded where something needs whole numbers, once, whoever asks for them.

    Parameters
    ----------
    values
        By the float node's name.
    raw
        The graph's nodes whose values are still those of the input.
    loops
        The graph's delays of an activation that is still to come, by the float node's name.
    """

    def __init__(self, state: State) -> None:
        self.state, self.grow = state, state.grow
        self.values: dict[str, Value] = {}
        self.raw: set[str] = set()
        self.loops: dict[str, list[str]] = {}
        self._events: dict[tuple[str, bool], Events] = {}
        self._sums: dict[str, Sums] = {}

    def path(self, name: str) -> str:
        """Return what the user calls a node."""
        return self.state.net.by_name[name].title

    def as_sums(self, name: str) -> Sums:
        """Return a value as a node of sums."""
        value = self.values[name]
        if isinstance(value, Sums):
            return value
        if name not in self._sums:
            if isinstance(value, Events):
                value = Pending((identity(value),), np.zeros(len(value.line.scale)))
            answer = name in self.state.answer
            first = any(term.events.node in self.raw for term in value.terms)
            bits = self.state.bits_of(first=first, last=answer)
            target = self.state.floats[name]
            found = weigh(self.grow, self.path(name), value, target, bits, with_bias=answer)
            self._sums[name] = found
        return self._sums[name]

    def materialised(self, name: str) -> Events | Sums:
        """Return a value as a node, of whatever kind it is."""
        value = self.values[name]
        return self.as_sums(name) if isinstance(value, Pending) else value

    def as_events(self, name: str, *, from_zero: bool = False, again: bool = False) -> Events:
        """Return a value as a node of events; sums get levels of both signs.

        Parameters
        ----------
        from_zero
            No level may be negative, so 0 may not stand for 0.
        again
            Put new levels behind events too.
        """
        value = self.values[name]
        if isinstance(value, Events) and not again:
            return value
        if (name, from_zero) not in self._events:
            self._events[name, from_zero] = self._with_levels(name, from_zero=from_zero)
        return self._events[name, from_zero]

    def _with_levels(self, name: str, *, from_zero: bool) -> Events:
        target, sums = self.state.floats[name], self.as_sums(name)
        low = min(float(target.min()), 0.0) if from_zero else 0.0
        one = self.unfolds(name)
        grid = signed_grid(target - low, self.state.levels, from_zero=from_zero, one=one)
        shifted = Sums(sums.node, Line(sums.line.scale, sums.line.offset - low))
        events = self.keep(fire(self.grow, self.path(name), shifted, grid, target - low))
        return Events(events.node, Line(events.line.scale, events.line.offset + low))

    def keep(self, fired: Fired) -> Events:
        """Return an activation's events, and report what was lost."""
        self.state.losses.append(fired.loss)
        if fired.warning is not None:
            self.state.warnings.append(fired.warning)
        return fired.events

    def unfolds(self, name: str) -> bool:
        """Return whether a value's features become fewer channels, which need one step."""
        channels = self.state.floats[name].shape[1]
        for node in self.state.net.nodes:
            if name not in node.inputs:
                continue
            if isinstance(node.op, FloatReshape) and node.op.shape[0] < channels:
                return True
            passes = isinstance(node.op, FloatReshape | FloatPool2d | FloatAdd | FloatDelay)
            if passes and self.unfolds(node.name):
                return True
        return False

    def still_raw(self, sources: list[str], name: str) -> None:
        """Note that a node passes on what its sources have."""
        if self.raw.issuperset(sources):
            self.raw.add(name)
