"""Recurrent networks, their training that goes on where it was, and their measure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from edgespike.errors import InputError
from edgespike.storage.files import write_atomically
from experiments.pruning.results import Measured
from experiments.pruning.tasks import Task

INPUT_STANDARD_DEVIATION = 0.1
"""Of the identity network's input weights: those of Le et al., 0.001, learn more slowly here."""

MEASURED_TOGETHER = 500
"""Samples in a batch while nothing is trained."""

Advance = Callable[[int, int], None]
"""Is told how many steps are done, and how many there are."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained: Adam, a rate that warms up and then falls to zero as a cosine.

    Parameters
    ----------
    epochs
        Passes over ``limit`` samples, drawn anew for each.
    limit
        Samples an epoch.
    batch_size
        Samples a step.
    learning_rate
        The highest.
    warmup
        Share of the steps in which the rate rises.
    largest_gradient
        Norm to which gradients are clipped.
    """

    epochs: int
    limit: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.05
    largest_gradient: float = 1.0

    def in_words(self, samples: int) -> str:
        """Say how a network is trained on so many samples."""
        steps = self.epochs * self.steps_of_epoch(samples)
        return (
            f"{self.epochs} epochs of {min(samples, self.limit):,} of {samples:,} sequences "
            f"({steps:,} steps of {self.batch_size}, Adam, rate {self.learning_rate:g})"
        )

    def steps_of_epoch(self, samples: int) -> int:
        """Return the steps of one epoch of so many samples, of which ``limit`` are used."""
        return math.ceil(min(samples, self.limit) / self.batch_size)

    def rate(self, done: float) -> float:
        """Return the learning rate after a share ``done``, 0 to 1, of the steps."""
        if done < self.warmup:
            return self.learning_rate * done / self.warmup
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


class SequenceNet(nn.Module):
    """A recurrent layer with a linear readout of each step, or of the last.

    Input (samples, steps, features); output (samples, steps, classes) or (samples, classes).
    """

    def __init__(self, recurrent: nn.RNN, readout: nn.Linear, every_step: bool) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.readout = readout
        self.every_step = every_step

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        states, _ = self.recurrent(inputs)
        logits: Tensor = self.readout(states if self.every_step else states[:, -1])
        return logits

    def weights(self) -> int:
        """Count the weights, without biases."""
        return sum(tensor.numel() for tensor in self.parameters() if tensor.ndim > 1)


def new_net(task: Task, units: int, seed: int) -> SequenceNet:
    """Make an untrained network: with ReLU, recurrent weights that are the identity.

    Source: Le, Jaitly and Hinton, A simple way to initialize recurrent networks of rectified linear
    units, arXiv 1504.00941.
    """
    torch.manual_seed(seed)
    recurrent = nn.RNN(task.features, units, nonlinearity=task.nonlinearity, batch_first=True)
    if task.nonlinearity == "relu":
        weights = dict(recurrent.named_parameters())
        nn.init.eye_(weights["weight_hh_l0"])
        nn.init.normal_(weights["weight_ih_l0"], std=INPUT_STANDARD_DEVIATION)
        nn.init.zeros_(weights["bias_ih_l0"])
        nn.init.zeros_(weights["bias_hh_l0"])
    return SequenceNet(recurrent, nn.Linear(units, task.classes), task.every_step)


def fit(
    net: nn.Module,
    task: Task,
    schedule: Schedule,
    seed: int,
    path: Path,
    advance: Advance,
    after_step: Callable[[], None] | None = None,
) -> None:
    """Train a network in place, or go on with it from the checkpoint at ``path``.

    The checkpoint, a safetensors file, is written after each epoch; a training that was interrupted
    ends in the same weights as one that was not.

    Parameters
    ----------
    net
        Is trained in place.
    task, schedule
        On what, and how long.
    seed
        Of the order of the samples.
    path
        The checkpoint.
    advance
        Is called after each step.
    after_step
        Changes the weights after each step, to keep zeros zero.

    Raises
    ------
    InputError
        The checkpoint is of another schedule, or began with other weights.
    """
    weights = dict(net.named_parameters())
    training = f"{schedule} from weights {_digest(weights)}"
    optimiser = torch.optim.Adam(weights.values())
    samples = len(task.train.inputs)
    steps = schedule.steps_of_epoch(samples)
    for epoch in range(_resume(path, weights, optimiser, training), schedule.epochs):
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        order = torch.randperm(samples, generator=generator)[: schedule.limit]
        batches = task.batches(task.train, schedule.batch_size, order)
        for step, (inputs, answers) in enumerate(batches, epoch * steps):
            done = (step + 1) / (steps * schedule.epochs)
            optimiser.param_groups[0]["lr"] = schedule.rate(done)
            optimiser.zero_grad()
            torch.autograd.backward(_loss(net(inputs), answers))
            norm = nn.utils.clip_grad_norm_(weights.values(), schedule.largest_gradient)
            # A badly pruned network may overflow; one such step would make all weights NaN.
            if norm.isfinite():
                optimiser.step()
            if after_step:
                after_step()
            advance(step + 1, steps * schedule.epochs)
        _checkpoint(path, weights, optimiser, epoch + 1, training)


@torch.no_grad()
def measure(net: nn.Module, task: Task) -> Measured:
    """Return mean cross-entropy and accuracy over all answers of the test samples."""
    loss, right, answered = 0.0, 0, 0
    for inputs, answers in task.batches(task.test, MEASURED_TOGETHER):
        logits = net(inputs)
        loss += float(_loss(logits, answers)) * answers.numel()
        right += int((logits.argmax(-1) == answers).sum())
        answered += answers.numel()
    return Measured(loss / answered, right / answered)


def _loss(logits: Tensor, answers: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, -2), answers.flatten())


def _checkpoint(
    path: Path,
    weights: dict[str, nn.Parameter],
    optimiser: torch.optim.Adam,
    epochs: int,
    training: str,
) -> None:
    tensors = {"epochs": torch.tensor(epochs)}
    for name, weight in weights.items():
        tensors[name] = weight.detach()
        for moment, tensor in optimiser.state[weight].items():
            tensors[f"adam.{moment}.{name}"] = tensor
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(tensors, {"training": training}))


def _resume(
    path: Path,
    weights: dict[str, nn.Parameter],
    optimiser: torch.optim.Adam,
    training: str,
) -> int:
    """Load weights and the optimiser's moments, and give the epochs that are done."""
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        if file.metadata() != {"training": training}:
            raise InputError(f"{path} is of a training that differs from {training}; remove it")
        for name, weight in weights.items():
            weight.data.copy_(file.get_tensor(name))
            # There are none yet if all steps overflowed.
            optimiser.state[weight] = {
                moment: file.get_tensor(f"adam.{moment}.{name}")
                for moment in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{moment}.{name}" in file.keys()  # noqa: SIM118 - no mapping
            }
        return int(file.get_tensor("epochs"))


def _digest(weights: dict[str, nn.Parameter]) -> str:
    """Return a checksum of weights."""
    return hashlib.sha256(save(dict(weights))).hexdigest()
