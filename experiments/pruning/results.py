"""Results as a table in Markdown, as JSON and as a plot."""

from __future__ import annotations

import io
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes

from edgespike.storage.files import write_atomically

matplotlib.use("svg")

UNPRUNED = "unpruned"
LARGE = 1000
"""Numbers from this size are written with powers of ten."""

BEFORE, AFTER = "tab:gray", "tab:blue"


@dataclass(frozen=True)
class Measured:
    """Performance on the test samples: cross-entropy in nats, and accuracy from 0 to 1."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Row:
    """The results of a pruned network, or of the unpruned one, for one seed.

    Parameters
    ----------
    method
        The method of pruning; `UNPRUNED` for the unpruned network.
    seed
        Seed of the training, and of the method's random choices.
    weights
        Number of weights, without biases and zeros.
    before, after
        Results before and after fine-tuning; equal for the unpruned network, which is not
        fine-tuned.
    """

    method: str
    seed: int
    weights: int
    before: Measured
    after: Measured


@dataclass(frozen=True)
class Comparison:
    """All rows of one task.

    Parameters
    ----------
    task
        Description of the task.
    trained
        Description of the training.
    every_step
        Whether the answers are the characters of a text.
    directions
        For each seed, the number of directions that hold 99 % of the energy of the unpruned
        network's states.
    rows
        The rows of each seed, beginning with the unpruned network.
    """

    task: str
    trained: str
    every_step: bool
    directions: Sequence[int]
    rows: Sequence[Row]

    @property
    def loss_unit(self) -> str:
        """The unit of `loss`."""
        return "bits per character" if self.every_step else "loss, nats"

    def loss(self, measured: Measured) -> float:
        """Return the cross-entropy."""
        return measured.loss / math.log(2) if self.every_step else measured.loss

    @property
    def unit(self) -> str:
        """The unit of `figure`."""
        return self.loss_unit if self.every_step else "accuracy, %"

    def figure(self, measured: Measured) -> float:
        """Return the figure by which the task is judged."""
        return self.loss(measured) if self.every_step else 100 * measured.accuracy

    def methods(self) -> dict[str, list[Row]]:
        """Return the rows of each method."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.method, []).append(row)
        return found


def write(comparisons: Sequence[Comparison], introduction: str, folder: Path) -> None:
    """Write ``results.md``, ``results.json`` and ``results.svg``, each whole or not at all."""
    text = "\n".join([introduction, *map(_markdown, comparisons)])
    write_atomically(folder / "results.md", text.encode())
    content = json.dumps([asdict(comparison) for comparison in comparisons], indent=1)
    write_atomically(folder / "results.json", f"{content}\n".encode())
    write_atomically(folder / "results.svg", _plot(comparisons))


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    """Return the mean as text, with the sample standard deviation if there are several values."""
    if not all(map(math.isfinite, values)):
        return "overflows"
    found = [statistics.fmean(values)]
    if len(values) > 1:
        found.append(statistics.stdev(values))
    style = f".{digits}f" if found[0] < LARGE else ".1e"
    return " ± ".join(f"{value:{style}}" for value in found)


def table(comparison: Comparison) -> list[list[str]]:
    """Return the cells of a table, beginning with its header."""
    head = ["", "weights"]
    for when in ("before", "after"):
        head += [f"accuracy, %, {when} tuning", f"{comparison.loss_unit}, {when}"]
    return [head, *(_cells(comparison, *found) for found in comparison.methods().items())]


def _cells(comparison: Comparison, method: str, rows: list[Row]) -> list[str]:
    cells = [method, f"{rows[0].weights:,}"]
    for measured in ([row.before for row in rows], [row.after for row in rows]):
        cells.append(mean_and_deviation([100 * each.accuracy for each in measured], 2))
        cells.append(mean_and_deviation([comparison.loss(each) for each in measured], 3))
    if method == UNPRUNED:
        cells[4:] = ["", ""]
    return cells


def _markdown(comparison: Comparison) -> str:
    head, *cells = table(comparison)
    held = ", ".join(map(str, comparison.directions))
    energy = f"Directions that hold 99 % of the energy of the states, by seed: {held}."
    lines = [f"## {comparison.task}", "", comparison.trained, "", energy, ""]
    lines += [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, cells), ""]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plot(comparisons: Sequence[Comparison]) -> bytes:
    with pyplot.rc_context({"svg.hashsalt": "edgespike"}):
        figure, axes = pyplot.subplots(
            1,
            len(comparisons),
            figsize=(5 * len(comparisons), 4),
            layout="constrained",
            squeeze=False,
        )
        for axis, comparison in zip(axes[0], comparisons, strict=True):
            _bars(axis, comparison)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize="small")
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    return content.getvalue()


def _bars(axis: Axes, comparison: Comparison) -> None:
    """Draw two bars for each method, and the unpruned network as a line."""
    methods = comparison.methods()
    unpruned = [comparison.figure(row.after) for row in methods.pop(UNPRUNED)]
    axis.axhline(statistics.fmean(unpruned), color="black", linestyle="--", label=UNPRUNED)
    for offset, (when, color) in enumerate((("before", BEFORE), ("after", AFTER))):
        measured = [
            [comparison.figure(getattr(row, when)) for row in rows] for rows in methods.values()
        ]
        axis.bar(
            [place + 0.4 * offset for place in range(len(methods))],
            [statistics.fmean(values) for values in measured],
            0.4,
            yerr=[statistics.stdev(values) if len(values) > 1 else 0 for values in measured],
            color=color,
            label=f"{when} tuning",
        )
    axis.set_xticks(
        [place + 0.2 for place in range(len(methods))], list(methods), rotation=40, ha="right"
    )
    axis.set_ylabel(comparison.unit)
    axis.set_title(comparison.task, fontsize="medium")
