"""Windows of recordings: runs of rows with one label, cut into pieces of one length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.faults import examples, refuse

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """Rows of a table in which neither recording nor label changes.

    Parameters
    ----------
    order
        ``(rows,)``: the rows, those of a recording together and in the order of the file.
    starts, lengths
        ``(runs,)``: places in ``order``.
    recordings, labels
        ``(runs,)``.
    """

    order: Indices
    starts: Indices
    lengths: Indices
    recordings: Indices
    labels: Indices


def find_runs(recordings: Indices, labels: Indices) -> Runs:
    """Return the runs of a table, ``recordings`` and ``labels`` being those of its rows."""
    order = np.argsort(recordings, kind="stable")
    sorted_recordings, sorted_labels = recordings[order], labels[order]
    changes = (np.diff(sorted_recordings) != 0) | (np.diff(sorted_labels) != 0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
    lengths = np.diff(np.concatenate([starts, [len(order)]]))
    return Runs(order, starts, lengths, sorted_recordings[starts], sorted_labels[starts])


def cut(runs: Runs, window: int, stride: int) -> tuple[Indices, Indices]:
    """Return the first row of each window, a place in ``runs.order``, and the window's run.

    A run of n rows has ``(n - window) // stride + 1`` windows, or none if it is shorter; rows
    after the last window are left out.
    """
    counts = np.maximum(0, (runs.lengths - window) // stride + 1)
    run = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    within = np.arange(len(run)) - first[run]
    return runs.starts[run] + within * stride, run


def whole_length(place: object, runs: Runs, names: tuple[str, ...]) -> int:
    """Return the length of recordings that are taken whole.

    Raises
    ------
    DataError
        Recordings have different lengths, or a label changes within one.
    """
    found, counts = np.unique(runs.recordings, return_counts=True)
    faults = []
    changing = [names[recording] for recording in found[counts > 1]]
    if changing:
        faults.append(
            f"the label changes within recordings {examples(changing)}; give a window: no window "
            "spans a change"
        )
    elif runs.lengths.min() != runs.lengths.max():
        short, long = int(runs.lengths.argmin()), int(runs.lengths.argmax())
        faults.append(
            f"its recordings have different lengths, from {runs.lengths[short]:,} rows "
            f"({names[runs.recordings[short]]}) to {runs.lengths[long]:,} "
            f"({names[runs.recordings[long]]}); give a window of at most "
            f"{runs.lengths[short]:,} rows"
        )
    refuse(place, faults)
    return int(runs.lengths[0])
