"""Check what a training checkpoint holds: its digest shows only that it was not damaged.

Each function yields what is wrong, so that everything is named at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from edgespike.errors import named, shown

DEPTH_LIMIT = 200
"""Deepest nesting of the description; each net that a run started from adds a few levels."""

_MEASURED = ("loss", "accuracy", "synaptic_operations")
_TESTED = tuple(f"test_{name}" for name in _MEASURED)
_VALIDATED = tuple(f"validation_{name}" for name in _MEASURED)
_EPOCH = (
    *("epoch", "learning_rate", "penalty_weight", "seconds"),
    *(f"train_{name}" for name in _MEASURED),
    *_TESTED,
)
"""Entries of an epoch in the history of every run: finite numbers, but operations are None where
none are counted."""

_OF_POSTERIOR = ("divergence", "separation", "entropy_error_bound")
"""Further entries of a mixture; None is a separation of one member."""


def description_faults(
    description: Mapping[str, Any], epochs: int, validated: bool = False
) -> Iterator[str]:
    """Yield what is wrong with the history, and with the net that the run started from.

    Parameters
    ----------
    description
        That of a checkpoint, without limits on what it holds.
    epochs
        The recipe's number of epochs.
    validated
        Whether each epoch was measured on samples for validation too.
    """
    if _depth(description) > DEPTH_LIMIT:
        yield f"its description is nested more than {DEPTH_LIMIT} deep"
        return
    history = description.get("history")
    if not isinstance(history, list) or not 1 <= len(history) <= epochs:
        found = f"{len(history)} epochs" if isinstance(history, list) else shown(history)
        yield f"its history is {found}, expected a list of 1 to {epochs} epochs"
        return
    names = (*_EPOCH, *_VALIDATED) if validated else _EPOCH
    for place, entry in enumerate(history):
        if fault := _epoch_fault(entry, place + 1, names):
            yield f"epoch {place + 1} of its history {fault}"
            return  # the others are likely to have the same
    if "start" in description:
        start = description["start"]
        if not isinstance(start, dict) or not isinstance(start.get("metadata"), dict):
            yield "its start is not a table with a table of metadata"
        elif bad := [name for name in _TESTED if not _is_measured(name, start)]:
            yield f"{bad[0]} of its start is {shown(start.get(bad[0]))}, expected a finite number"


def _epoch_fault(entry: object, number: int, names: tuple[str, ...]) -> str | None:
    if not isinstance(entry, dict):
        return f"is {shown(entry)}, expected a table"
    if unknown := sorted(entry.keys() - {*names, *_OF_POSTERIOR}):
        return f"has an unknown entry {named(unknown[0])}"
    if bad := [name for name in names if not _is_measured(name, entry)]:
        return f"has {bad[0]} {shown(entry.get(bad[0]))}, expected a finite number"
    if entry["epoch"] != number:
        return f"has the number {shown(entry['epoch'])}"
    for name in entry.keys() & set(_OF_POSTERIOR):
        value = entry[name]
        if value is not None and (not _is_number(value) or value != value):
            return f"has {name} {shown(value)}, expected a number"
    return None


def _is_measured(name: str, entry: Mapping[str, Any]) -> bool:
    if name.endswith("synaptic_operations") and name in entry and entry[name] is None:
        return True
    return _is_finite(entry.get(name))


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_number(value) and -(2**63) <= value < 2**63  # type: ignore[operator]


def _depth(value: object) -> int:
    """Return how deep tables and lists are nested, at most one more than `DEPTH_LIMIT`."""
    level, depth = [value], 0
    while level and depth <= DEPTH_LIMIT:
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
        depth += 1
    return depth


def state_faults(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], steps: int
) -> Iterator[str]:
    """Yield what is wrong with the tensors of a run's state.

    Parameters
    ----------
    found
        Those of a checkpoint.
    expected
        Tensors of the right names, shapes and dtypes; their values are not used.
    steps
        How many steps the optimiser has made according to the history.
    """
    if missing := sorted(expected.keys() - found.keys()):
        yield f"it lacks {_listed(missing)}"
    if unknown := sorted(found.keys() - expected.keys()):
        yield f"it holds {_listed(unknown)}, which this run does not have"
    for name in sorted(expected.keys() & found.keys()):
        here, there = found[name], expected[name]
        if (here.dtype, here.shape) != (there.dtype, there.shape):
            yield (
                f"{name} is {here.dtype} of shape {tuple(here.shape)}, expected {there.dtype} of "
                f"shape {tuple(there.shape)}"
            )
        elif not bool(torch.isfinite(here).all()):
            yield f"{name} holds values that are not finite"
        elif name.endswith(".exp_avg_sq") and bool((here < 0).any()):
            yield f"{name} holds negative values, which no mean of squares has"
        elif _counts_steps(name) and int(here) != steps:
            yield f"{name} is {int(here)} steps, but its history has {steps}"


def _counts_steps(name: str) -> bool:
    return name == "average.n_averaged" or (
        name.startswith("optimiser.") and name.endswith(".step")
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more tensors" if len(names) > 3 else ""
    return ", ".join(named(name) for name in names[:3]) + more
