"""Measure the cost of gathering covariances over a plain forward pass, and the time of a choice.

Both passes alternate in one process on one thread; the figure is the median ratio of the CPU times
of neighbouring repetitions.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import torch
from alternation import beside_limit, make_parser, measure, ratio, show
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import nn

from edgespike.prune import Covariance, Objective, gather, greedy

GATHER_LIMIT = 1.15
"""Limit of the time of a gathering pass, as a multiple of a plain forward pass."""

BATCHES = 100
"""Batches per pass; an epoch of Fashion-MNIST has 469."""

UNITS = 1024
GREEDY_LIMIT = 5.0
"""Limit in seconds for choosing all of these units."""


class Net(nn.Module):
    """A recurrent net that reads out its last step."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn
        self.readout = nn.Linear(rnn.hidden_size * (2 if rnn.bidirectional else 1), 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.rnn(x)
        result: torch.Tensor = self.readout(states[:, -1])
        return result


def nets() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    """Return nets by name, each with a batch."""
    pixels, rows = torch.rand(128, 196, 1), torch.rand(128, 28, 28)
    words = torch.rand(32, 35, 200)
    conv = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 49, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    relu = nn.RNN(1, 128, nonlinearity="relu", batch_first=True)
    return {
        "RNN, relu, 128 units, 196 steps": (Net(relu), pixels),
        "RNN, tanh, 128 units, 28 steps": (Net(nn.RNN(28, 128, batch_first=True)), rows),
        "RNN, tanh, 2 x 256 units": (Net(nn.RNN(200, 256, 2, batch_first=True)), words),
        "GRU, 128 units, 28 steps": (Net(nn.GRU(28, 128, batch_first=True)), rows),
        "LSTM, 128 units, 28 steps": (Net(nn.LSTM(28, 128, batch_first=True)), rows),
        "convolutions of 32 and 64 channels": (conv, torch.rand(64, 1, 28, 28)),
    }


def gathering(model: nn.Module, batch: torch.Tensor, repetitions: int) -> dict[str, float]:
    """Return seconds per batch of the plain and of the gathering pass, and their ratio."""
    batches = [batch] * BATCHES

    def plain() -> None:
        with torch.inference_mode():
            for each in batches:
                model(each)

    model.eval()
    methods = {"plain": plain, "gather": lambda: gather(model, batches)}
    seconds, _ = measure(methods, repetitions)
    medians = {name: statistics.median(each) / BATCHES for name, each in seconds.items()}
    return {**medians, "ratio": ratio(seconds["gather"], seconds["plain"])}


def greedy_seconds(units: int, keep: int) -> float:
    """Choose units by all three losses; return CPU seconds."""
    generator = np.random.default_rng(0)
    covariance = Covariance(units)
    covariance.add(
        generator.normal(size=(2 * units, units)) @ generator.normal(size=(units, units))
    )
    weights = generator.normal(size=(units, units)) / units**0.5
    objective = Objective().matrix(units, weights[:10], weights)
    start = time.process_time()
    greedy(covariance.matrix(), keep, objective)
    return time.process_time() - start


def main() -> None:
    """Measure, and print the result."""
    arguments = make_parser(__doc__, repetitions=9).parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):  # numpy's idle threads would count as CPU time
        result = {
            "gathering": {
                name: gathering(model, batch, arguments.repetitions)
                for name, (model, batch) in nets().items()
            },
            "greedy_seconds": {keep: greedy_seconds(UNITS, keep) for keep in (341, UNITS)},
        }
    show(result, arguments.json, _print)


def _print(result: dict[str, Any]) -> None:
    table = Table(title="Time per batch, one thread")
    for column in ("net", "forward, ms", "with covariance, ms", "ratio"):
        table.add_column(column, justify="left" if column == "net" else "right")
    for name, each in result["gathering"].items():
        milliseconds = (f"{1000 * each[method]:.1f}" for method in ("plain", "gather"))
        table.add_row(name, *milliseconds, beside_limit(each["ratio"], most=GATHER_LIMIT))
    console = Console()
    console.print(table)
    for keep, seconds in result["greedy_seconds"].items():
        beside = beside_limit(seconds, most=GREEDY_LIMIT)
        console.print(f"seconds of the greedy choice of {keep:,} of {UNITS:,} units: {beside}")


if __name__ == "__main__":
    main()
