"""What names begin with, so that none meets another of the same program."""

from __future__ import annotations

import hashlib
import re

from edgespike.targets.shared.c_names import c_prefix

KINDS = frozenset(
    [
        "bias",
        "conserved",
        "fan",
        "flipped",
        "kept",
        "least",
        "order",
        "run",
        "segments",
        "shift",
        "slope",
        "step",
        "theta",
        "weights",
        "window",
    ]
)
"""First words of names inside a source, before those of nodes."""

_TITLE_LIMIT = 63
"""Most characters of an Arduino library's name."""


def prefix_of(name: str) -> str:
    """Return what a graph's names in C begin with.

    Names inside a source begin with a word of :data:`KINDS`; those that others see begin with the
    prefix, and end differently for each purpose.
    """
    prefix = c_prefix(name)
    return f"net_{prefix}" if prefix.split("_")[0] in KINDS else prefix


def title_of(name: str) -> str:
    """Return a graph's name as that of a package, short and beginning with a letter or digit."""
    title = re.sub(r"^[^A-Za-z0-9]+", "", name) or "network"
    if len(title) <= _TITLE_LIMIT:
        return title
    ending = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{title[: _TITLE_LIMIT - 9]}-{ending}"
