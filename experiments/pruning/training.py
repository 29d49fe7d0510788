"""Recurrent networks, their training, which can be resumed, and their measurement."""

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
"""Of an identity-initialised network's input weights: 0.001, as in Le et al., is slower here."""

MEASURED_TOGETHER = 500
"""Number of samples in a batch when nothing is trained."""

Advance = Callable[[int, int], None]
"""Takes the number of finished steps and the number of all steps."""


@dataclass(frozen=True)
class Schedule:
    """The schedule of a training: Adam with a rate that warms up and then falls as a cosine.

    Parameters
    ----------
    epochs
        Number of epochs.
    limit
        Largest number of samples of an epoch, drawn anew for each.
    batch_size
        Number of samples of a step.
    learning_rate
        The highest rate.
    warmup
        Share of the steps during which the rate rises.
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
        """Return a description of the training for a number of samples."""
        steps = self.epochs * self.steps_of_epoch(samples)
        return (
            f"{self.epochs} epochs of {min(samples, self.limit):,} of {samples:,} sequences "
            f"({steps:,} steps of {self.batch_size}, Adam, rate {self.learning_rate:g})"
        )

    def steps_of_epoch(self, samples: int) -> int:
        """Return the number of steps of an epoch for a number of samples."""
        return math.ceil(min(samples, self.limit) / self.batch_size)

    def rate(self, done: float) -> float:
        """Return the learning rate after a share ``done`` of the steps, 0 to 1."""
        if done < self.warmup:
            return self.learning_rate * done / self.warmup
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


class SequenceNet(nn.Module):
    """A recurrent layer with a linear readout of every step, or of the last one.

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
        """Return the number of weights, without biases."""
        return sum(tensor.numel() for tensor in self.parameters() if tensor.ndim > 1)


def new_net(task: Task, units: int, seed: int) -> SequenceNet:
    """Return an untrained network; with ReLU its recurrent weights are the identity.

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
    """Train a network in place, or continue from the checkpoint at ``path``.

    The checkpoint, a safetensors file, is written after each epoch. An interrupted and resumed
    training ends with the same weights as an uninterrupted one.

    Parameters
    ----------
    net
        The network.
    task, schedule
        The task and the schedule.
    seed
        Seed of the order of the samples.
    path
        Path of the checkpoint.
    advance
        Called after each step.
    after_step
        Called after each step to project the weights, e.g. to keep zeros at zero.

    Raises
    ------
    InputError
        The checkpoint has another schedule or started from other weights.
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
            # A badly pruned network may overflow; such a step would make all weights NaN.
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
    """Load weights and the optimiser's moments, and return the number of finished epochs."""
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        if file.metadata() != {"training": training}:
            raise InputError(f"{path} belongs to a training other than {training}; remove it")
        for name, weight in weights.items():
            weight.data.copy_(file.get_tensor(name))
            # If all steps overflowed, there are none yet.
            optimiser.state[weight] = {
                moment: file.get_tensor(f"adam.{moment}.{name}")
                for moment in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{moment}.{name}" in file.keys()  # noqa: SIM118 - no mapping
            }
        return int(file.get_tensor("epochs"))


def _digest(weights: dict[str, nn.Parameter]) -> str:
    """Return a checksum of weights."""
    return hashlib.sha256(save(dict(weights))).hexdigest()
