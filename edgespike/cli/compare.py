"""``edgespike compare``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.options import (
    EnergyModelName,
    Json,
    LabelsFile,
    Limit,
    ProfileName,
    TargetName,
    Threads,
)
from edgespike.cli.output import print_json, print_sentence, print_table, progress
from edgespike.text import number_of

if TYPE_CHECKING:
    from fractions import Fraction

    from edgespike.comparison import Comparison, Energy, LayerRow, Row

EXAMPLE = "edgespike compare old.safetensors new.safetensors -i images.npy --labels labels.npy"

FEW_LAYERS = 3
"""How many layers are printed unless all are asked for."""

NAME_WIDTH = 14
"""Columns for the names of a layer unless all layers are asked for: of two models, no line is
broken."""

SIDE_BY_SIDE = 4
"""Most models that have a column each; more have a row each, unless all layers are asked for."""

MODEL_WIDTH = 22
"""Columns for the name of a model that has a row."""

_LABELS = {
    "accuracy": "accuracy",
    "synaptic_operations_per_sample": "synaptic operations",
    "multiply_accumulates_per_sample": "multiply-accumulates",
    "operations_per_sample": "both together",
    "energy_per_sample_j": "energy, typical",
    "weights": "weights",
    "file_bytes": "bytes of the file",
}
"""The figures that are printed; JSON has a few more."""


def command(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C...]",
            help="Graph files, checkpoints, or reports that edgespike energy --json wrote.",
        ),
    ],
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input", "-i", metavar="X", help="Samples, as for run; needed unless all are reports."
        ),
    ] = None,
    labels_file: LabelsFile = None,
    target: TargetName = "cpu",
    limit: Limit = None,
    model: EnergyModelName = None,
    profile: ProfileName = None,
    every_layer: Annotated[
        bool, typer.Option("--layers", help=f"Print every layer, not only {FEW_LAYERS}.")
    ] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare the accuracy, operations, energy and size of models.

    All run on the same samples; ratios are to the first. Figures of other samples, energy models
    or conventions are refused. Exactness is not compared: see verify.
    """
    from edgespike.api import compare
    from edgespike.threads import at_most

    with at_most(threads), progress() as report:
        found = compare(
            models,
            input_file,
            labels_file,
            target=target,
            model=model,
            profile=profile,
            limit=limit,
            progress=report,
        )
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, every_layer)


def _print(found: Comparison, every_layer: bool) -> None:
    letters = _letters(found)
    if len(letters) > SIDE_BY_SIDE and not every_layer:
        _print_rows(found, letters)
        return
    for letter, model in zip(letters, found.models, strict=True):
        print(f"{letter}  {model.name}{' (report)' if model.from_report else ''}")
    matched, shown = _layers_shown(found, every_layer)
    samples = found.models[0].samples
    two = len(letters) == 2
    print_table(
        [
            f"mean of {number_of(samples, 'sample')}",
            *(f"{letter} " for letter in letters),
            *(["B / A ", "change "] if two else []),
            "best",
        ],
        [
            *_figure_cells(found),
            *(_layer_cells(found, row, 1000 if every_layer else NAME_WIDTH) for row in shown),
        ],
    )
    for sentence in (*_sentences(found), _last_sentence(found, every_layer, matched - len(shown))):
        print_sentence(sentence)


def _print_rows(found: Comparison, letters: Sequence[str]) -> None:
    """Print a row for each model."""
    from edgespike.report.units import joules_range
    from edgespike.text import shortened

    columns = {
        "accuracy": "accuracy ",
        "operations_per_sample": "operations ",
        "energy_per_sample_j": "energy ",
        "file_bytes": "bytes ",
    }
    rows = {row.key: row for row in found.rows if row.key in columns}
    ranges = [joules_range(each) for each in found.energies] or [""] * len(letters)
    cells = [
        [
            f"{letter} {shortened(_short_name(model.name), MODEL_WIDTH)}",
            *(_shown(row.key, row.values[at], short=False) for row in rows.values()),
            ranges[at],
        ]
        for at, (letter, model) in enumerate(zip(letters, found.models, strict=True))
    ]
    best = ["best", *(_best(found, row) for row in rows.values()), ""]
    print_table(
        [
            f"mean of {number_of(found.models[0].samples, 'sample')}",
            *(columns[key] for key in rows),
            "low to high ",
        ],
        [*cells, best],
    )
    if found.energy is not None:
        print_sentence(
            f"Energy by {found.energy.model} of {found.energy.profile}. A ? marks what is not "
            "proven. Operations are synaptic operations and multiply-accumulates."
        )
    print_sentence("Exactness not compared (edgespike verify). --layers: all figures and layers.")


def _short_name(path: str) -> str:
    """Return what tells a model apart: the folder of a ``model.safetensors``, else the file."""
    name = Path(path)
    return name.parent.name if name.stem == "model" and name.parent.name else name.stem


def _letters(found: Comparison) -> list[str]:
    return [chr(ord("A") + at) if at < 26 else f"#{at + 1}" for at in range(len(found.models))]


def _figure_cells(found: Comparison) -> Iterator[list[str]]:
    from edgespike.report.units import joules_range

    for row in found.rows:
        if row.key not in _LABELS:
            continue
        yield [_LABELS[row.key], *_cells(found, row), _best(found, row)]
        if row.key == "energy_per_sample_j":
            ranges = [joules_range(each) for each in found.energies]
            yield ["  low to high", *ranges, *(["", ""] if len(ranges) == 2 else []), ""]


def _layer_cells(found: Comparison, layer: LayerRow, most: int) -> list[str]:
    from fractions import Fraction

    from edgespike.comparison import Row
    from edgespike.text import shortened

    samples = found.models[0].samples
    layers = [each for each in layer.layers if each is not None]
    row = Row("operations", tuple(Fraction(each.operations, samples) for each in layers))
    names = " / ".join(dict.fromkeys(each.name for each in layers))
    return [f"  in {shortened(names, most)}", *_cells(found, row), _best(found, row)]


def _cells(found: Comparison, row: Row) -> list[str]:
    """Return values with ratios: in columns of their own for two models, else beside each."""
    two = len(found.models) == 2
    values = [_shown(row.key, value, short=not two) for value in row.values]
    changes = [_change(row, at) for at in range(len(values))]
    if two:
        ratio = row.ratio(1)
        return [*values, "–" if ratio is None else f"{ratio:.3g}", changes[1]]
    return [values[0], *(f"{v} {c}" for v, c in zip(values[1:], changes[1:], strict=True))]


def _change(row: Row, at: int) -> str:
    ratio, value, first = row.ratio(at), row.values[at], row.values[0]
    if ratio is None or value is None or first is None:
        return "–"
    if row.key == "accuracy":
        return f"{100 * float(value - first):+.2f} pts"
    change = 100 * (ratio - 1)
    return f"{change:+,.0f} %" if abs(change) >= 1000 else f"{change:+.1f} %"


def _best(found: Comparison, row: Row) -> str:
    if row.best is None:
        return "equal" if len(set(row.values)) == 1 and None not in row.values else "–"
    return _letters(found)[row.best] + (" ?" if row.proven is False else "")


def _shown(key: str, value: Fraction | float | None, *, short: bool) -> str:
    from fractions import Fraction

    from edgespike.report.units import joules

    if isinstance(value, float):
        return joules(value)
    if not isinstance(value, Fraction):
        return "–"
    if key == "accuracy":
        return f"{float(value):.2%}"
    if short and value >= 10_000:
        power = 2 if value >= 999_500 else 1
        return f"{float(value) / 1000**power:.3g} {'kM'[power - 1]}"
    return f"{value.numerator:,}" if value.denominator == 1 else f"{float(value):,.1f}"


def _sentences(found: Comparison) -> Iterator[str]:
    letters = _letters(found)
    if found.energy is not None:
        yield _energy_sentence(found, found.energy)
    if found.row("accuracy") is not None:
        yield from _accuracy_sentences(found, letters)
    unknown = [
        letter for letter, model in zip(letters, found.models, strict=True) if not model.inputs
    ]
    if unknown:
        yield f"{_these(unknown)} does not say of which samples it is: only their number is equal."


def _these(letters: Sequence[str]) -> str:
    return f"Report {letters[0]}" if len(letters) == 1 else f"Each of {', '.join(letters)}"


def _energy_sentence(found: Comparison, energy: Energy) -> str:
    from edgespike.comparison import overlap

    letters = _letters(found)
    row = found.row("energy_per_sample_j")
    assert row is not None
    text = f"Energy by {energy.model} of {energy.profile}: the ranges "
    text += "overlap" if overlap(found.energies) else "do not overlap"
    above = [] if row.best is None else list(_above(found, row.best))
    if above:
        text += f"; with the same constants for all, {'; '.join(above)}"
    if not row.proven:
        text += "; no difference is proven"
    refused = [
        letter
        for letter, model in zip(letters, found.models, strict=True)
        if any(row.key == energy.key and row.refused for row in model.energies)
    ]
    if refused:
        text += f"; target {energy.target} cannot run {', '.join(refused)}"
    return text + "."


def _above(found: Comparison, best: int) -> Iterator[str]:
    """Yield how much more than the best each takes, where that is known."""
    from edgespike.energy import Interval
    from edgespike.report.units import joules, joules_range

    letters = _letters(found)
    for at, letter in enumerate(letters):
        ends = found.energy_difference(at)
        if at == best or ends is None:
            continue
        if ends[0] >= 0:
            yield f"{letter} takes {joules_range(Interval(ends[0], ends[0], ends[1]))} more"
        else:
            yield f"{letter} takes up to {joules(-ends[0])} less or {joules(ends[1])} more"


def _accuracy_sentences(found: Comparison, letters: Sequence[str]) -> Iterator[str]:
    if not found.accuracy_ranges:
        without = [
            letter
            for letter, model in zip(letters, found.models, strict=True)
            if model.right is None
        ]
        yield f"Accuracy of {', '.join(without)} is not known: make the report again with --labels."
        return
    for letter, test in zip(letters[1:], found.tests, strict=True):
        if test is not None:
            yield (
                f"Accuracy: right in A only {test.only_first:,}, in {letter} only "
                f"{test.only_second:,}: exact McNemar p = {test.p_value:.2g}, "
                f"{'shown' if test.shown else 'unproven'}."
            )
    if None in found.tests:
        ranges = ", ".join(
            f"{letter} {low:.1%} to {high:.1%}"
            for letter, (low, high) in zip(letters, found.accuracy_ranges, strict=True)
        )
        yield f"Accuracy, 95 % intervals (reports keep no single answers): {ranges}."


def _layers_shown(found: Comparison, every_layer: bool) -> tuple[int, list[LayerRow]]:
    """Return how many layers correspond, and those to print, in the order in which they run."""
    matched = [row for row in found.layers if row.complete]
    if every_layer:
        return len(matched), matched
    most = sorted(range(len(matched)), key=lambda at: -_difference(matched[at]))[:FEW_LAYERS]
    return len(matched), [matched[at] for at in sorted(most)]


def _difference(row: LayerRow) -> int:
    operations = [layer.operations for layer in row.layers if layer is not None]
    return max(operations) - min(operations)


def _last_sentence(found: Comparison, every_layer: bool, more: int) -> str:
    letters = _letters(found)
    text = "Exactness not compared (edgespike verify)."
    left = [row for row in found.layers if not row.complete]
    if every_layer and left:
        alone = ", ".join(_alone(row, letters) for row in left)
        return f"{text} Layers without a counterpart: {alone}."
    if more or left:
        apart = f", {len(left)} without a counterpart" if left else ""
        return f"{text} {more} more layer{'' if more == 1 else 's'}{apart}: --layers."
    return text


def _alone(row: LayerRow, letters: Sequence[str]) -> str:
    has = [letter for letter, layer in zip(letters, row.layers, strict=True) if layer is not None]
    return f"{row.name} ({', '.join(has)})"
