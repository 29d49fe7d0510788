"""Train a net by a recipe, with a checkpoint after each epoch.

Runs on a GPU if there is one, and on several (or several machines) when started by ``torchrun`` or
``accelerate launch``; each process then takes its share of each batch.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgespike.data import fashion_mnist
from edgespike.errors import EdgespikeError, InputError
from edgespike.nn.augment import augment
from edgespike.nn.checkpoint import save_model
from edgespike.nn.models import build
from edgespike.nn.penalty import SynapticPenalty, penalty_weight
from edgespike.nn.progress import EpochProgress
from edgespike.nn.recipe import Recipe
from edgespike.nn.run_folder import RunFolder

EVALUATION_BATCH = 500
STEPS_BETWEEN_LOOKS = 20


class TrainingError(EdgespikeError):
    """Training cannot go on: the loss is no longer a number."""


@dataclass(frozen=True)
class Data:
    """A classification task in memory.

    Parameters
    ----------
    train_images, test_images
        uint8, (samples, channels, height, width).
    train_labels, test_labels
        int64, (samples,).
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


@dataclass(frozen=True)
class TrainingResult:
    """Where the trained net and its log are, and what each epoch measured (as in the log)."""

    model: Path
    log: Path
    history: tuple[dict[str, Any], ...]


def load_fashion_mnist() -> Data:
    """Load the whole of Fashion-MNIST; see `fashion_mnist.load` for what is raised."""
    return Data(*fashion_mnist.load("train"), *fashion_mnist.load("test"))


def train(
    recipe: Recipe,
    out: Path,
    *,
    data: Data | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> TrainingResult:
    """Train the recipe's net.

    Each epoch ends with a checkpoint, so a killed run loses an epoch at most, and with the same
    number of threads on a CPU it ends with the weights of an uninterrupted one. The net after the
    last epoch is kept; the test set chooses nothing.

    Parameters
    ----------
    out
        Folder for ``model.safetensors`` (the trained net), ``training.jsonl`` (recipe, versions,
        then one line an epoch) and ``checkpoint.safetensors`` (to resume from).
    data
        What to train on; Fashion-MNIST if None.
    resume
        Go on from the folder's checkpoint, or start if there is none.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        ``out`` holds a run and ``resume`` is False, or its recipe is another one; the data's
        shape does not fit the net.
    TrainingError
        The loss is no longer a number. The last checkpoint stays.
    """
    folder = RunFolder(Path(out), recipe)
    folder.prepare(resume)
    trainer = _Trainer(recipe, _limited(data or load_fashion_mnist(), recipe))
    history = folder.restore(trainer.model, trainer.optimiser) if resume else []
    for epoch in range(len(history), recipe.epochs):
        with EpochProgress(epoch, recipe.epochs, trainer.steps, quiet or not trainer.main) as show:
            history.append(trainer.run_epoch(epoch, show))
        if trainer.main:
            folder.save(trainer.model, trainer.optimiser, history)
    if trainer.main:
        last = history[-1]
        save_model(folder.model, trainer.model, recipe.net, {"recipe": recipe.to_table(), **last})
    trainer.accelerator.wait_for_everyone()
    return TrainingResult(folder.model, folder.log, tuple(history))


def _limited(data: Data, recipe: Recipe) -> Data:
    for images, labels in (
        (data.train_images, data.train_labels),
        (data.test_images, data.test_labels),
    ):
        if images.shape[1:] != recipe.net.input_shape or images.shape[:1] != labels.shape:
            raise InputError(
                f"images are {images.shape} with labels {labels.shape}; the recipe's net needs "
                f"(samples, {', '.join(map(str, recipe.net.input_shape))}) and (samples,)"
            )
    n = recipe.limit or None
    return Data(
        data.train_images[:n], data.train_labels[:n], data.test_images[:n], data.test_labels[:n]
    )


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Give the rate of a step, counted from the first epoch's; an epoch has ``steps`` of them."""
    warmup = recipe.warmup_epochs * steps
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(recipe.epochs * steps - warmup, 1)
    return recipe.learning_rate * (1 + math.cos(math.pi * done)) / 2


class _Trainer:
    """The state of a run: net, optimiser, data on the device."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        self.recipe = recipe
        self.accelerator = Accelerator()
        self.main = self.accelerator.is_main_process
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            self.model = build(recipe.net).to(memory_format=torch.channels_last)
        self.optimiser = _optimiser(self.model, recipe)
        self.net, self.optimiser = self.accelerator.prepare(self.model, self.optimiser)
        self.operations = SynapticPenalty(self.model)
        self.penalty = SynapticPenalty(self.model, recipe.penalty_power, recipe.penalty_cost)
        device = self.accelerator.device
        self.train_images = torch.from_numpy(data.train_images).to(device)
        self.train_labels = torch.from_numpy(data.train_labels).to(device)
        self.test_images = torch.from_numpy(data.test_images).to(device)
        self.test_labels = torch.from_numpy(data.test_labels).to(device)
        self.batch_size = min(recipe.batch_size, len(self.train_images))
        self.steps = len(self.train_images) // self.batch_size

    def run_epoch(self, epoch: int, show: EpochProgress) -> dict[str, Any]:
        """Train for one epoch, measure on the test set, and give the log's line."""
        start = time.monotonic()
        trained = self._train(epoch, show)
        tested = self._test()
        return {
            "epoch": epoch + 1,
            "learning_rate": learning_rate(self.recipe, (epoch + 1) * self.steps - 1, self.steps),
            "penalty_weight": penalty_weight(self.recipe.penalty, epoch, self.recipe.epochs),
            **{f"train_{name}": value for name, value in trained.items()},
            **{f"test_{name}": value for name, value in tested.items()},
            "seconds": round(time.monotonic() - start, 1),
        }

    def _train(self, epoch: int, show: EpochProgress) -> dict[str, float]:
        self.net.train()
        # Everything random in an epoch follows from its seed: resuming needs no generator states.
        seed = self.recipe.seed * 1_000_003 + epoch
        order = torch.randperm(
            len(self.train_images), generator=torch.Generator().manual_seed(seed)
        )
        generator = torch.Generator(self.accelerator.device)
        generator.manual_seed(seed * 1_000_003 + self.accelerator.process_index)
        sums = torch.zeros(4, dtype=torch.float64, device=self.accelerator.device)
        for i in range(self.steps):
            batch = order[i * self.batch_size : (i + 1) * self.batch_size]
            own = batch[self.accelerator.process_index :: self.accelerator.num_processes]
            sums += self._step(epoch, i, own.to(self.accelerator.device), generator)
            if (i + 1) % STEPS_BETWEEN_LOOKS == 0 or i + 1 == self.steps:
                show.update(i + 1, self._means(sums, epoch))
        return self._means(self.accelerator.reduce(sums), epoch)

    def _step(self, epoch: int, i: int, batch: Tensor, generator: torch.Generator) -> Tensor:
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, epoch * self.steps + i, self.steps)
        images = augment(self.train_images[batch], recipe.flip, recipe.shift, generator)
        labels = self.train_labels[batch]
        logits = self.net(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        if recipe.penalty > 0:
            loss = loss + penalty_weight(recipe.penalty, epoch, recipe.epochs) * self.penalty()
        self.optimiser.zero_grad()
        self.accelerator.backward(loss)
        self.optimiser.step()
        return self._measure(loss, logits, labels)

    @torch.inference_mode()
    def _test(self) -> dict[str, float]:
        self.net.eval()
        own = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
        sums = torch.zeros(4, dtype=torch.float64, device=self.accelerator.device)
        batches = zip(
            self.test_images[own].split(EVALUATION_BATCH),
            self.test_labels[own].split(EVALUATION_BATCH),
            strict=True,
        )
        for images, labels in batches:
            logits = self.model(images)
            sums += self._measure(functional.cross_entropy(logits, labels), logits, labels)
        return self._means(self.accelerator.reduce(sums))

    def _measure(self, loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the batch's sums: loss, correct answers, synaptic operations, samples."""
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        with torch.no_grad():
            operations = self.operations()
        samples = torch.tensor(len(labels), device=labels.device)
        return torch.stack(
            [loss.detach() * samples, correct, operations * samples, samples]
        ).double()

    def _means(self, sums: Tensor, epoch: int | None = None) -> dict[str, float]:
        loss, correct, operations, samples = sums.tolist()
        if not math.isfinite(loss):
            when = "" if epoch is None else f" in epoch {epoch + 1}"
            raise TrainingError(
                f"the loss became {loss}{when}; lower the recipe's learning_rate "
                f"({self.recipe.learning_rate}) or penalty ({self.recipe.penalty})"
            )
        return {
            "loss": loss / samples,
            "accuracy": correct / samples,
            "synaptic_operations": operations / samples,
        }


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    # Weight decay is for weights: normalisation and biases are left alone.
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)
