"""A MaQD training step against that of the same net in float32 with batch normalisation.

Both run by turns in one process and one thread; the fastest of several steps of each counts, in
processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from edgespike.nn import NetSpec, build, load_recipe

LIMIT = 1.3
"""Most that the step may take, in float32 steps."""


def training_step(spec: NetSpec, batch_size: int) -> Callable[[], None]:
    """Prepare a whole step: forward, loss, backward, optimiser."""
    torch.manual_seed(0)
    net: nn.Module = build(spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    images = torch.randint(0, 256, (batch_size, *spec.input_shape), dtype=torch.uint8)
    labels = torch.randint(0, spec.classes, (batch_size,))

    def step() -> None:
        loss = nn.functional.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()

    return step


def _net(recipe: str) -> NetSpec:
    net = load_recipe(recipe).net
    if not isinstance(net, NetSpec):
        raise TypeError(f"{recipe} trains no feed-forward net")
    return net


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    maqd = _net("fashion_maqd")
    nets = {
        "float32, ReLU, batch normalisation": _net("fashion_relu"),
        "4 states, ternary, layer-batch normalisation": maqd,
        "the same, per sample": replace(maqd, reading="per_sample"),
        "the same, sum of bumps": replace(maqd, surrogate="bumps"),
        "16 states": replace(maqd, activation_states=16, weight_states=15),
    }
    steps = {name: training_step(spec, arguments.batch_size) for name, spec in nets.items()}
    fastest = dict.fromkeys(steps, float("inf"))
    for _ in range(arguments.repeats):
        for name, step in steps.items():
            start = time.process_time()
            step()
            fastest[name] = min(fastest[name], time.process_time() - start)
    baseline = next(iter(fastest.values()))
    table = Table(title=f"A training step of {arguments.batch_size} images, one thread")
    table.add_column("net")
    table.add_column("ms", justify="right")
    table.add_column("ratio", justify="right")
    for name, seconds in fastest.items():
        table.add_row(name, f"{1000 * seconds:.1f}", f"{seconds / baseline:.2f}")
    console = Console()
    console.print(table)
    console.print(f"limit for layer-batch normalisation and quantisation: {LIMIT}")


if __name__ == "__main__":
    main()
