"""Measure what the penalty on events adds to a training step, and how long fan-outs take.

A net with the penalty and its twin without alternate in one process on one thread; the figure is
the median ratio of the CPU times of neighbouring steps.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from alternation import beside_limit, make_parser, measure, ratio, show
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from edgespike.nn import SpikePenalty, build, load_recipe

LIMIT = 1.1
"""Limit of the time of a step with the penalty, as a multiple of one without."""

FAN_OUT_SECONDS = 1.0
"""Limit of the time for the fan-outs of a ResNet18."""

BATCH = 64

RESNET18 = "cifar10_resnet18_s3nn"


@dataclass(frozen=True)
class Case:
    """A net, and what it is trained on."""

    net: Callable[[], nn.Module]
    inputs: Tensor
    classes: int


def training_step(case: Case, **options: Any) -> Callable[[], None]:
    """Return a function that runs a whole step, with a penalty if it has options."""
    torch.manual_seed(0)
    net = case.net()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4)
    labels = torch.randint(0, case.classes, (len(case.inputs),))
    penalty = SpikePenalty(net, case.inputs[:1], **options) if options else None

    def step() -> None:
        loss = nn.functional.cross_entropy(net(case.inputs), labels)
        if penalty is not None:
            loss = loss + 1e-9 * penalty()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()

    return step


def of_recipe(name: str) -> Case:
    """Return the net of a shipped recipe, laid out as `edgespike train` does."""
    spec = load_recipe(name).net
    images = torch.randint(0, 256, (BATCH, *spec.input_shape), dtype=torch.uint8)

    def net() -> nn.Module:
        built: nn.Module = build(spec)
        return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    return Case(net, images, spec.classes)


def of_snntorch() -> Case:
    """Return a convolutional net of snnTorch with a loop over 10 steps."""
    import snntorch
    from snntorch import surrogate

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 12, 5), nn.Conv2d(12, 64, 5)
            self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(64 * 4 * 4, 10)
            neurons = (snntorch.Leaky(0.5, spike_grad=surrogate.atan()) for _ in range(3))
            self.lif1, self.lif2, self.lif3 = neurons

        def forward(self, x: Tensor) -> Tensor:
            mem1, mem2, mem3 = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
            total = torch.zeros(())
            for _ in range(10):
                spikes, mem1 = self.lif1(self.pool(self.conv1(x)), mem1)
                spikes, mem2 = self.lif2(self.pool(self.conv2(spikes)), mem2)
                spikes, mem3 = self.lif3(self.fc(spikes.flatten(1)), mem3)
                total = total + spikes
            return total

    return Case(Net, torch.rand(BATCH, 1, 28, 28), 10)


def fan_out_seconds(repetitions: int) -> float:
    """Return the median time to find the fan-outs of a ResNet18, of the example's run as well."""
    spec = load_recipe(RESNET18).net
    net, example = build(spec), torch.zeros((1, *spec.input_shape), dtype=torch.uint8)
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        with SpikePenalty(net, example) as penalty:
            penalty.fan_out()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def main() -> None:
    """Measure, and print the result."""
    arguments = make_parser(__doc__).parse_args()
    torch.set_num_threads(1)
    cases = {
        "single-step spikes (fashion_s3nn)": of_recipe("fashion_s3nn"),
        "levels (fashion_maqd)": of_recipe("fashion_maqd"),
        "snnTorch, 10 steps": of_snntorch(),
    }
    result: dict[str, Any] = {"batch": BATCH, "cases": {}}
    for name, case in cases.items():
        steps = {
            "without": training_step(case),
            "synaptic": training_step(case, kind="synaptic"),
            "spike_count": training_step(case, kind="spike_count"),
            "synaptic, p = 2": training_step(case, kind="synaptic", p=2),
        }
        seconds, _ = measure(steps, arguments.repetitions)
        result["cases"][name] = {
            "ms": 1000 * statistics.median(seconds["without"]),
            "ratios": {kind: ratio(seconds[kind], seconds["without"]) for kind in steps},
        }
    result["resnet18_fan_out_seconds"] = fan_out_seconds(max(1, arguments.repetitions // 5))
    show(result, arguments.json, _print)


def _print(result: dict[str, Any]) -> None:
    table = Table(title=f"A training step of {result['batch']} samples, one thread")
    for column in ("net", "ms without", "penalty", "ratio"):
        table.add_column(column)
    for name, found in result["cases"].items():
        for kind, value in found["ratios"].items():
            if kind != "without":
                table.add_row(name, f"{found['ms']:.1f}", kind, beside_limit(value, most=LIMIT))
    console = Console()
    console.print(table)
    seconds = beside_limit(result["resnet18_fan_out_seconds"], most=FAN_OUT_SECONDS)
    console.print(f"fan-outs of a ResNet18 ({RESNET18}): {seconds} s")


if __name__ == "__main__":
    main()
