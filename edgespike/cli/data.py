"""``edgespike data``."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.lists import size_in
from edgespike.cli.options import Json
from edgespike.cli.output import MOST_LINES, print_json, print_table, say, say_if_slow
from edgespike.text import USUAL_WIDTH, number_of, shortened, wrapped

if TYPE_CHECKING:
    from edgespike.data.own import OwnData

EXAMPLE = "edgespike data recordings.csv --group person --window 100 -o prepared"

SHOWN_CLASSES = 10
"""How many classes are printed."""

_WORDS = {
    "images": "images",
    "sequences": "sequences",
    "events": "frame sequences",
    "rows": "rows of features",
}


def command(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help=".npz or .csv file, or a folder of images or .npy files."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write the parts as .npy files there."),
    ] = None,
    window: Annotated[
        int, typer.Option(metavar="N", help="Rows of a window; 0 takes recordings whole.")
    ] = 0,
    stride: Annotated[
        int, typer.Option(metavar="N", help="Rows between starts of windows; 0: they touch.")
    ] = 0,
    label: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of a CSV file with the class.")
    ] = "label",
    recording: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column that names recordings.")
    ] = "recording",
    group: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column, such as a person, that is never split."),
    ] = "",
    test: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of samples kept for testing.")
    ] = 0.2,
    validation: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the rest kept for validation.")
    ] = 0.1,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Resize images to this height and width.")
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Read images as one channel.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the split.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what data of your own holds, and prepare it for training.

    Print samples per class and part, shape, range and scaling, and what is suspicious: copies of
    training samples in the test part, small classes, features that never change.
    """
    from edgespike.data.own import DataOptions, read_data
    from edgespike.data.own.problems import class_counts, problems
    from edgespike.data.own.writing import write_data
    from edgespike.storage.files import check_new_folder

    options = DataOptions(
        path=path,
        test=test,
        validation=validation,
        group=group,
        label=label,
        recording=recording,
        window=window,
        stride=stride,
        size=size_in(size) or (),
        grey=grey,
        seed=seed,
    )
    if out is not None:
        check_new_folder(out)
    with say_if_slow(f"reading {path} ..."):
        data = read_data(options)
    remarks = [*data.source["notes"], *problems(data)]
    files = [] if out is None else write_data(data, options, out)
    counts = {part: found.tolist() for part, found in class_counts(data).items()}
    if as_json:
        print_json(
            {
                "source": data.source,
                "class_names": data.class_names,
                "classes": counts,
                "shape": data.train.samples.shape[1:],
                "dtype": str(data.train.samples.dtype),
                "range": _range(data),
                "scaling": None if data.scaling is None else asdict(data.scaling),
                "problems": remarks,
                "files": files,
            }
        )
        return
    used = _print_head(data) + _print_counts(data.class_names, counts)
    _print_remarks(remarks, MOST_LINES - used)
    if out is not None:
        say(f"wrote {out}: {', '.join(files)}")


def _print_head(data: OwnData) -> int:
    """Print what was found, and return the number of lines."""
    source, samples = data.source, data.train.samples
    files = number_of(source["files"], "file")
    total = sum(source["samples"].values())
    low, high = _range(data)
    lines = [
        *_wrapped(
            f"{source['format']}, {files}: {total:,} {_WORDS[source['kind']]}, "
            f"{len(data.class_names):,} classes"
        ),
        *_wrapped(f"sample  {samples.shape[1:]} {samples.dtype}, values {low}..{high}"),
        *_wrapped(f"scaling {_scaling(data)}"),
    ]
    print("\n".join(lines))
    return len(lines)


def _range(data: OwnData) -> tuple[int, int]:
    return int(data.train.samples.min()), int(data.train.samples.max())


def _scaling(data: OwnData) -> str:
    scaling = data.scaling
    if scaling is None:
        return "none: whole numbers of 8 bits, taken as they are"
    if len(scaling.step) == 1:
        return f"0 stands for {scaling.offset[0]:g}, one unit for {scaling.step[0]:g}"
    most = 4
    listed = ", ".join(
        f"{offset:.3g} + {step:.3g} q"
        for offset, step in zip(scaling.offset[:most], scaling.step[:most], strict=True)
    )
    more = len(scaling.step) - most
    return f"learnt from train: x = {listed}{f' and {more:,} more' if more > 0 else ''}"


def _print_counts(names: tuple[str, ...], counts: dict[str, list[int]]) -> int:
    """Print the samples of each class and part, and return the number of lines."""
    parts = [part for part in counts if sum(counts[part])]
    shown = SHOWN_CLASSES if len(names) > SHOWN_CLASSES + 1 else len(names)
    rows: list[list[object]] = [
        [shortened(name, 40), *(counts[part][place] for part in parts)]
        for place, name in enumerate(names[:shown])
    ]
    if shown < len(names):
        rest = [sum(counts[part][shown:]) for part in parts]
        rows.append([f"{len(names) - shown:,} more classes", *rest])
    rows.append(["all", *(sum(counts[part]) for part in parts)])
    print_table(["class", *(f"{part} " for part in parts)], rows)
    return len(rows) + 4  # with names, a rule, and empty lines before and after


def _print_remarks(remarks: list[str], room: int) -> None:
    """Print the remarks that fit a number of lines, and how many do not."""
    blocks = [_wrapped(f"! {remark}") for remark in remarks]
    shown = len(blocks)
    while sum(map(len, blocks[:shown])) + (shown < len(blocks)) > room:
        shown -= 1
    for line in itertools.chain(*blocks[:shown]):
        print(line)
    if shown < len(blocks):
        print(f"! {len(blocks) - shown} more remarks are in --json")


def _wrapped(text: str) -> list[str]:
    """Return a sentence as at most two lines."""
    return wrapped(text, USUAL_WIDTH, hanging=2, most=2)
