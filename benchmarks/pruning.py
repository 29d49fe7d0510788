"""What gathering covariances costs over the plain forward pass, and how long a choice takes.

Both passes run by turns in one process and one thread; the median of the ratios of neighbouring
repetitions counts, in processor time.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from alternation import measure, ratio
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import nn

from edgespike.prune import Covariance, Objective, gather, greedy

GATHER_LIMIT = 1.15
"""Most that a pass that gathers may take, in plain forward passes."""

BATCHES = 100
"""In a pass; an epoch of Fashion-MNIST has 469."""

GREEDY_LIMIT = 5.0
"""Most seconds that choosing all of 1,024 units may take."""


class Net(nn.Module):
    """A recurrent net that answers at its last step."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn
        self.readout = nn.Linear(rnn.hidden_size * (2 if rnn.bidirectional else 1), 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.rnn(x)
        result: torch.Tensor = self.readout(states[:, -1])
        return result


def nets() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    """Give nets and a batch for each."""
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


def gathering_ratio(
    model: nn.Module, batch: torch.Tensor, repetitions: int
) -> tuple[float, float, float]:
    """Give milliseconds of the plain pass and of that which gathers, and their ratio."""
    batches = [batch] * BATCHES

    def plain() -> None:
        with torch.inference_mode():
            for each in batches:
                model(each)

    model.eval()
    methods = {"plain": plain, "gather": lambda: gather(model, batches)}
    seconds, _ = measure(methods, repetitions)
    medians = [1000 * statistics.median(seconds[name]) / len(batches) for name in methods]
    return medians[0], medians[1], ratio(seconds["gather"], seconds["plain"])


def greedy_seconds(units: int, keep: int) -> float:
    """Choose units by all three losses; give processor seconds."""
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
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):  # of numpy, whose idle threads would count as busy
        table = Table(title="A batch, one thread")
        for column in ("net", "forward, ms", "and covariance, ms", "ratio"):
            table.add_column(column, justify="left" if column == "net" else "right")
        for name, (model, batch) in nets().items():
            plain, with_covariance, times = gathering_ratio(model, batch, arguments.repetitions)
            table.add_row(name, f"{plain:.1f}", f"{with_covariance:.1f}", f"{times:.3f}")
        console = Console()
        console.print(table)
        console.print(f"limit of the ratio: {GATHER_LIMIT}")
        for keep in (341, 1024):
            seconds = greedy_seconds(1024, keep)
            console.print(
                f"greedy choice of {keep:,} of 1,024 units: {seconds:.2f} s "
                f"(limit {GREEDY_LIMIT} s)"
            )


if __name__ == "__main__":
    main()
