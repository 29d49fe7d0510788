"""Measure time and memory of the approximate entropy, and its time against equal Monte Carlo.

The Monte Carlo estimate takes as many samples as its standard error needs to equal the error of
the approximation. All times are CPU seconds of one thread, the fastest of several runs.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from alternation import beside_limit, make_parser, show
from rich.console import Console
from rich.table import Table

from edgespike.bayes.mixture import (
    GaussianMixture,
    approximate_entropy,
    bhattacharyya_bound,
    middles,
    monte_carlo_entropy,
    sampled_error,
)

SECONDS = 1.0
"""Limit for the entropy and its bound, with 16 components in a million dimensions."""

MEMORY = 4.0
"""Limit of their memory, including the mixture, as a multiple of the mixture's size."""

COMPONENTS = 16
MOST_SAMPLES = 200_000


def mixture_of(dimension: int, spread: float, dtype: type[np.floating[Any]]) -> GaussianMixture:
    rng = np.random.default_rng(0)
    means = rng.standard_normal((COMPONENTS, dimension), np.float32).astype(dtype)
    variances = rng.standard_normal((COMPONENTS, dimension), np.float32).astype(dtype)
    means *= dtype(spread)
    variances *= dtype(0.2)
    np.exp(variances, out=variances)
    weights = np.full(COMPONENTS, 1 / COMPONENTS, dtype)
    return GaussianMixture(weights, means, variances)


def entropy_and_bound(mixture: GaussianMixture) -> tuple[float, float]:
    entropy = approximate_entropy(mixture)
    bound = bhattacharyya_bound(mixture.log_weights(), middles(mixture))
    return float(entropy), float(bound)


def fastest(work: Callable[[], object], repetitions: int) -> float:
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def large(dimension: int, dtype: type[np.floating[Any]], repetitions: int) -> dict[str, Any]:
    mixture = mixture_of(dimension, 1.0, dtype)
    held = mixture.weights.nbytes + mixture.means.nbytes + mixture.covariances.nbytes
    tracemalloc.start()
    entropy_and_bound(mixture)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    seconds = fastest(lambda: entropy_and_bound(mixture), repetitions)
    return {
        "dimension": dimension,
        "dtype": np.dtype(dtype).name,
        "seconds": seconds,
        "checking_seconds": fastest(
            lambda: GaussianMixture(mixture.weights, mixture.means, mixture.covariances),
            repetitions,
        ),
        "memory_in_inputs": 1 + peak / held,
    }


def against_monte_carlo(dimension: int, spread: float, repetitions: int) -> dict[str, Any]:
    mixture = mixture_of(dimension, spread, np.float64)
    error = float(sampled_error(mixture, 100_000).value)
    pilot = monte_carlo_entropy(mixture, 10_000)
    needed = round(10_000 * float(pilot.standard_error / error) ** 2)
    run = max(1000, min(needed, MOST_SAMPLES))
    seconds = fastest(lambda: monte_carlo_entropy(mixture, run), 1) * needed / run
    approximation = fastest(lambda: approximate_entropy(mixture), 20 * repetitions)
    return {
        "dimension": dimension,
        "error": error,
        "samples": needed,
        "samples_run": run,
        "monte_carlo_seconds": seconds,
        "approximation_seconds": approximation,
        "ratio": seconds / approximation,
    }


def print_large(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Entropy and bound of {COMPONENTS} diagonal components, one thread")
    for column in ("dimensions", "dtype", "seconds", "to check", "memory / mixture"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row['dimension']:,}",
            row["dtype"],
            beside_limit(row["seconds"], most=SECONDS),
            f"{row['checking_seconds']:.3f}",
            beside_limit(row["memory_in_inputs"], most=MEMORY),
        )
    console.print(table)


def print_ratios(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title="The approximation against Monte Carlo with a standard error of its error")
    for column in (
        "dimensions",
        "error, nats",
        "samples",
        "sampling, s",
        "approximate, s",
        "ratio",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        more = "" if row["samples"] <= row["samples_run"] else "*"
        table.add_row(
            f"{row['dimension']:,}",
            f"{row['error']:.2g}",
            f"{row['samples']:.2g}{more}",
            f"{row['monte_carlo_seconds']:.3g}",
            f"{row['approximation_seconds']:.2g}",
            f"{row['ratio']:.2g}",
        )
    console.print(table)
    console.print(f"* extrapolated from the time of {MOST_SAMPLES:,} samples")


def main() -> None:
    parser = make_parser(__doc__, repetitions=5)
    parser.add_argument("--dimension", type=int, default=1_000_000)
    arguments = parser.parse_args()
    sizes = [large(arguments.dimension, t, arguments.repetitions) for t in (np.float32, np.float64)]
    ratios = [
        against_monte_carlo(dimension, spread, arguments.repetitions)
        for dimension, spread in ((10, 1.5), (50, 0.65), (100, 0.6))
    ]
    show({"large": sizes, "against_monte_carlo": ratios}, arguments.json, _print)


def _print(result: dict[str, Any]) -> None:
    console = Console()
    print_large(console, result["large"])
    print_ratios(console, result["against_monte_carlo"])


if __name__ == "__main__":
    main()
