"""What the benchmarks share: alternating methods, comparing their times, and printing them.

Each benchmark prints its figures with their limits, and says where a limit is missed. It exits
with 0 all the same: other load on the computer shifts the figures. It exits with another code
only where it could not measure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from edgespike.threads import at_most

Answer = TypeVar("Answer")


def make_parser(doc: str | None, repetitions: int = 15) -> argparse.ArgumentParser:
    """Return a parser of ``--repetitions`` and ``--json``; ``doc`` begins with what is measured."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=repetitions)
    parser.add_argument("--json", action="store_true")
    return parser


def measure(
    methods: Mapping[str, Callable[[], Answer]], repetitions: int
) -> tuple[dict[str, list[float]], dict[str, Answer]]:
    """Alternate the methods, edgespike's on one thread; return CPU seconds and the last answers."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    answers: dict[str, Answer] = {}
    for repetition in range(repetitions + 1):
        # Back and forth, so that no method always runs right after the same other one.
        for name, method in list(methods.items())[:: 1 if repetition % 2 else -1]:
            start = time.process_time()
            with at_most(1):
                answers[name] = method()
            if repetition:  # the first one is a warm-up
                seconds[name].append(time.process_time() - start)
    return seconds, answers


def ratio(times: list[float], others: list[float]) -> float:
    """Return the median ratio of repetitions that ran one after the other: the load drifts."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def beside_limit(value: float, least: float | None = None, most: float | None = None) -> str:
    """Return a figure as text, with its limit if it has one."""
    text = f"{value:.3g}"
    if least is not None:
        text += f" (at least {least:g}{'' if value >= least else ': missed'})"
    if most is not None:
        text += f" (at most {most:g}{'' if value <= most else ': missed'})"
    return text


def show(result: Any, as_json: bool, print_result: Callable[[Any], None]) -> None:
    """Print what was measured, as JSON or for people."""
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print_result(result)


def print_rates(title: str, rates: Mapping[str, float]) -> Console:
    """Print a table of images per second; return the console for more output below it."""
    console = Console()
    table = Table(title=title)
    table.add_column("Method")
    table.add_column("Images/s", justify="right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    console.print(table)
    return console
