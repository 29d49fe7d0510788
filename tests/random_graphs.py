"""Random cases that several tests share, drawn once, and how many of them a test takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, given, settings

from edgespike.counting import Counter, tally_trace
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.trace import Trace
from tests.strategies import Case, cases

MOST = int(os.environ.get("RANDOM_GRAPHS", "1000"))
"""Most graphs of one operation mix that a test takes: a limit for quick runs and other Pythons."""

MOST_ON_LAVA = int(os.environ.get("RANDOM_GRAPHS_ON_LAVA", "30"))
"""The same for Lava, which takes a second for each."""


def up_to(number: int) -> int:
    """Return a number of random graphs, or less in a run of few."""
    return min(number, MOST)


@dataclass(frozen=True)
class Defined:
    """A case, the trace and the counts that define what is right, and what counts its runs."""

    case: Case
    trace: Trace
    counts: dict[str, Any]
    counter: Counter


def define(case: Case) -> Defined:
    """Interpret a case and count its events."""
    trace = interpret(case.graph, case.samples)
    counter = Counter(case.graph)
    counts = counter.counts(tally_trace(case.graph, case.samples, trace))
    return Defined(case, trace, counts.to_json(), counter)


def examine(mix: str, number: int, look: Callable[[Case], None]) -> None:
    """Draw cases, always the same ones, and look at each; a failure is made small and reported."""

    @given(case=cases(mix))
    @settings(max_examples=number, suppress_health_check=list(HealthCheck))
    def draw(case: Case) -> None:
        look(case)

    draw()


def accepted(
    mix: str, number: int, refused: Callable[[Graph], bool], at_once: int
) -> list[Defined]:
    """Return cases that are not refused; more are drawn where graphs are.

    Parameters
    ----------
    mix
        The operation mix.
    number
        How many to return.
    refused
        Whether a target cannot compute a graph.
    at_once
        How many to draw first, ``number`` or more: tests that name the same number share them.
    """
    drawn = at_once
    while True:
        fitting = [each for each in _drawn(mix, drawn) if not refused(each.case.graph)]
        if len(fitting) >= number:
            return fitting[:number]
        drawn *= 2
        assert drawn <= 100 * number, f"nearly all graphs of the mix {mix} are refused"


@lru_cache(maxsize=2)
def _drawn(mix: str, number: int) -> tuple[Defined, ...]:
    found: list[Defined] = []
    examine(mix, number, lambda case: found.append(define(case)))
    return tuple(found)
