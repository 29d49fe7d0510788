"""Measure a MaQD training step against that of the same net in float32 with batch normalisation.

All nets alternate in one process on one thread; the figure is the median ratio of the CPU times of
neighbouring steps.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from alternation import beside_limit, make_parser, measure, ratio, show
from rich.console import Console
from rich.table import Table
from torch import nn

from edgespike.nn import NetSpec, build, load_recipe

FLOAT = "float32, ReLU, batch normalisation"
MAQD = "4 states, ternary, layer-batch normalisation"

LIMIT = 1.3
"""Limit of the time of a MaQD step, as a multiple of a float32 step."""


def training_step(spec: NetSpec, batch_size: int) -> Callable[[], None]:
    """Return a function that runs a whole step: forward, loss, backward, optimiser."""
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
        raise TypeError(f"{recipe} does not train a feed-forward net")
    return net


def main() -> None:
    """Measure, and print the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    maqd = _net("fashion_maqd")
    nets = {
        FLOAT: _net("fashion_relu"),
        MAQD: maqd,
        "the same, per sample": replace(maqd, reading="per_sample"),
        "the same, sum of bumps": replace(maqd, surrogate="bumps"),
        "16 states": replace(maqd, activation_states=16, weight_states=15),
    }
    steps = {name: training_step(spec, arguments.batch_size) for name, spec in nets.items()}
    seconds, _ = measure(steps, arguments.repetitions)
    result = {
        "batch": arguments.batch_size,
        "seconds": {name: statistics.median(each) for name, each in seconds.items()},
        "ratios": {name: ratio(each, seconds[FLOAT]) for name, each in seconds.items()},
    }
    show(result, arguments.json, _print)


def _print(result: dict[str, Any]) -> None:
    table = Table(title=f"A training step of {result['batch']} images, one thread")
    table.add_column("net")
    table.add_column("ms", justify="right")
    table.add_column("ratio", justify="right")
    for name, seconds in result["seconds"].items():
        limit = LIMIT if name == MAQD else None
        table.add_row(
            name, f"{1000 * seconds:.1f}", beside_limit(result["ratios"][name], most=limit)
        )
    Console().print(table)


if __name__ == "__main__":
    main()
