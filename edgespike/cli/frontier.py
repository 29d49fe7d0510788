"""``edgespike frontier``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.options import Force, Html, Json, Wide
from edgespike.cli.output import MOST_LINES, print_json, say
from edgespike.text import number_of

if TYPE_CHECKING:
    from edgespike.frontier.summary import Frontier

EXAMPLE = "edgespike frontier sweeps/fashion --html frontier.html --png frontier.png"

_NAMED = 3
"""How many rows are named that not all seeds reach."""


def command(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS", help="Folder of a sweep, or its results.jsonl."),
    ],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="0.88,0.9",
            help="Compare costs at these accuracies. Default: the highest that every seed of every "
            "penalty reaches, and 1 and 2 points less.",
        ),
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(
            metavar="0.005,0.01",
            help="Compare costs this far below the mean accuracy of the nets without penalty.",
        ),
    ] = None,
    along: Annotated[
        str,
        typer.Option(metavar="SETTING", help="The setting that is the strength of a penalty."),
    ] = "lambda",
    html: Html = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also write the charts as a picture.")
    ] = None,
    force: Force = False,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Show accuracy against operations and energy from a sweep.

    Each penalty, or other combination of settings than its strength and the seed, has a Pareto
    front; costs are compared at the same accuracy, with their range over seeds. Points whose graph
    is not equal to its definition are left out.
    """
    from edgespike.cli.lists import numbers_in
    from edgespike.errors import InputError
    from edgespike.frontier.fronts import below_unpenalised
    from edgespike.frontier.series import read_results
    from edgespike.frontier.summary import frontier_of
    from edgespike.storage.files import check_output
    from edgespike.sweep.results import read_rows, table_path

    table = table_path(results)
    for out in (html, png):
        check_output(out, [table], force)
    accuracies = tuple(numbers_in("--at", at, float) or ())
    for accuracy in accuracies:
        if not 0 < accuracy <= 1:
            raise InputError(f"--at has the accuracy {accuracy:g}; give shares above 0, up to 1")
    differences = numbers_in("--below", below, float) or ()
    for difference in differences:
        if not 0 <= difference < 1:
            raise InputError(f"--below has {difference:g}; give shares of at least 0, less than 1")
    read = read_results(read_rows(table), along)
    if differences:
        accuracies += below_unpenalised(read, differences)
    found = frontier_of(read, accuracies)
    if html is not None:
        from edgespike.report.frontier import write_frontier_page

        write_frontier_page(html, found)
        say(f"wrote {html}")
    if png is not None:
        from edgespike.report.frontier import write_frontier_picture

        write_frontier_picture(png, found)
        say(f"wrote {png}")
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, wide)


def _print(found: Frontier, wide: bool) -> None:
    from edgespike.console import make_console, print_aligned_table, print_lines
    from edgespike.frontier.series import distinct_runs
    from edgespike.report.frontier import amount, amounts
    from edgespike.text import wrapped

    results, console = found.results, make_console(wide)
    nets = distinct_runs(level for series in results.series for level in series.levels)
    of = f"{number_of(len(nets), 'point')}, means over {number_of(results.samples, 'test sample')}"
    costs = [cost for cost in ("synaptic_operations", "energy_j") if cost in results.costs]
    rows, some = [], []
    for accuracy in found.accuracies:
        for series in results.series:
            cells = []
            for cost in costs:
                matched = found.at(series, cost, accuracy)
                cells += [
                    amount(cost, matched.typical),
                    amounts(cost, matched.low, matched.high),
                ]
            rows.append([series.name, f"{accuracy:.2%}", *cells])
            if 0 < matched.reached < matched.seeds:
                reached = f"{matched.reached} of {matched.seeds}"
                some.append(f"{accuracy:.2%} by {reached} of {series.name}")
    if len(some) > _NAMED:
        some[_NAMED:] = [f"and {number_of(len(some) - _NAMED, 'more row')}: --json"]
    shown = rows if wide else rows[: MOST_LINES - (15 if some else 12)]
    heads = {"synaptic_operations": "synaptic op.", "energy_j": "energy"}
    print_lines(console, [of])
    print_aligned_table(
        console,
        [
            ("series", "left"),
            ("accuracy", "right"),
            *((text, "right") for cost in costs for text in (heads[cost], "over seeds")),
        ],
        shown,
    )
    if len(rows) > len(shown):
        print_lines(console, [f"and {number_of(len(rows) - len(shown), 'more row')}: --wide"])
    if some:
        told = f"not reached by all seeds: {'; '.join(some)}"
        print_lines(console, wrapped(told, console.width))
    if not found.accuracies:
        text = "a seed is right on no sample, so no accuracy is reached by all; give --at"
        print_lines(console, [text])
    if results.left_out:
        left = number_of(results.left_out, "point")
        print_lines(console, [f"left out, not equal to the definition: {left}"])
    print_lines(console, wrapped(found.method[-1], console.width))
    print_lines(console, ["", "more: --html FILE, --png FILE, --json, --at ACCURACIES"])
