"""What a converter is: a name and two functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgespike.graph import Graph


@dataclass(frozen=True)
class Converter:
    """A way from one kind of trained model to a graph.

    Parameters
    ----------
    name
        Of the framework.
    summary
        One line: what it takes.
    accepts
        Whether a model is of this kind. It must not import the framework: a model of it can
        only exist if somebody else has.
    convert
        Takes model, shape of one sample and the graph's name; raises ``UnsupportedError`` that
        lists everything it cannot convert exactly.
    """

    name: str
    summary: str
    accepts: Callable[[Any], bool]
    convert: Callable[[Any, tuple[int, ...], str], Graph]
