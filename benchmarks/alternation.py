"""What the benchmarks share: methods that take turns, and how their times are compared."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

Answer = TypeVar("Answer")


def parse_arguments(doc: str | None, graph_help: str) -> argparse.Namespace:
    """Read ``--graph``, ``--repetitions`` and ``--json``; ``doc`` begins with what they are for."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--graph", type=Path, help=graph_help)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(
    methods: Mapping[str, Callable[[], Answer]], repetitions: int
) -> tuple[dict[str, list[float]], dict[str, Answer]]:
    """Alternate the methods; give processor seconds of each repetition, and the last answers."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    answers: dict[str, Answer] = {}
    for repetition in range(repetitions + 1):
        # Forth and back, so that none always runs on caches that another one has just emptied.
        for name, method in list(methods.items())[:: 1 if repetition % 2 else -1]:
            start = time.process_time()
            answers[name] = method()
            if repetition:  # the first one warms up
                seconds[name].append(time.process_time() - start)
    return seconds, answers


def ratio(times: list[float], others: list[float]) -> float:
    """Compare repetitions that ran next to each other: the computer's load drifts."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def print_rates(title: str, rates: Mapping[str, float]) -> Console:
    """Print a table of images a second; give the console for what stands below it."""
    console = Console()
    table = Table(title=title)
    table.add_column("Method")
    table.add_column("Images/s", justify="right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    console.print(table)
    return console
