"""Pictures of a training run, as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_COLOURS = {"train": "#3d86c6", "validation": "#3f9a63", "test": "#d07f2a"}
_LABELLED_CLASSES = 40
_NUMBERED_CLASSES = 20
_LETTERS = 18


def curves(epochs: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw loss and accuracy of each part of the data over the epochs of a log."""
    figure = Figure((9, 3.6), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        numbers = [entry["epoch"] for entry in epochs]
        for part, colour in _COLOURS.items():
            if f"{part}_{what}" in epochs[0]:
                values = [entry[f"{part}_{what}"] for entry in epochs]
                axes.plot(numbers, values, "o-", markersize=3, color=colour, label=part)
        axes.set(xlabel="epoch", title=what)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return _png(figure)


def confusion(counts: NDArray[np.int64], names: Sequence[str]) -> bytes:
    """Draw a confusion matrix, (classes, classes): a row for each class that samples have."""
    classes = len(names)
    side = min(4 + 0.35 * classes, 16)
    figure = Figure((side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the row's samples", shrink=0.8)
    if classes <= _LABELLED_CLASSES:
        short = [n if len(n) <= _LETTERS else f"{n[: _LETTERS - 1]}…" for n in names]
        axes.set_xticks(range(classes), short, rotation=90)
        axes.set_yticks(range(classes), short)
    if classes <= _NUMBERED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                ink = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{count}", ha="center", va="center", size=8, color=ink)
    axes.set(xlabel="class that the net gave", ylabel="class of the sample")
    return _png(figure)


def firing(rates: Sequence[tuple[str, float]]) -> bytes:
    """Draw the firing rate of each layer."""
    figure = Figure((7, 1.2 + 0.4 * len(rates)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh([name for name, _ in rates], [rate for _, rate in rates], color="#3d86c6")
    axes.bar_label(bars, [f"{rate:.1%}" for _, rate in rates], padding=3)
    axes.set(xlabel="share of the neurons that send an event in a step", xlim=(0, 1.12))
    axes.set_xticks(np.linspace(0, 1, 6), [f"{tick:.0%}" for tick in np.linspace(0, 1, 6)])
    axes.invert_yaxis()
    return _png(figure)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    # Without the version of matplotlib, so that the same run gives the same file.
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()
