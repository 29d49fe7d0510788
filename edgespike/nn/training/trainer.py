"""The net, optimiser and data of a run, and what an epoch does with them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgespike.errors import EdgespikeError
from edgespike.nn.layers.penalty import penalty_weight
from edgespike.nn.training.annealing import alpha_of, set_alpha
from edgespike.nn.training.augment import augment
from edgespike.nn.training.averaging import WeightAverage, measure_statistics
from edgespike.nn.training.objective import (
    TrainingObjective,
    build_model,
    for_convolutions,
    objective_of,
)
from edgespike.nn.training.optimiser import (
    learning_rate,
    make_optimiser,
    optimiser_tensors,
    restore_optimiser,
    shapes_after_a_step,
)
from edgespike.nn.training.processes import Processes
from edgespike.nn.training.progress import EpochProgress
from edgespike.nn.training.recipe import Recipe
from edgespike.nn.training.resuming import state_faults
from edgespike.nn.training.task import EVALUATION_BATCH, Task

STEPS_BETWEEN_UPDATES = 20
"""Steps after which the progress bar is updated: reading the measurements waits for the device."""

BATCHES_OF_STATISTICS = 100
"""Number of training batches on which normalisation statistics are measured."""


_FOR = {"validation": "validation", "test": "testing"}


class TrainingError(EdgespikeError):
    """Training cannot continue: the loss is infinite or NaN."""


class Trainer:
    """The state of a run: net, optimiser, data on the device.

    Parameters
    ----------
    recipe, task
        The settings, and the data.
    processes
        Those that train it together.
    start
        The net to start from; one of random weights if None.
    teacher
        The net to learn from, if the recipe has one.

    Attributes
    ----------
    model
        The net that is trained, or the mixture of nets.
    result
        The net that is tested and kept: the averaged one if the recipe asks for it, else
        ``model``.
    result_objective
        The objective of ``result``.
    parts
        Samples and labels that it is measured on, "validation" if there is one, and "test".
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        processes: Processes,
        start: nn.Module | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        self.recipe = recipe
        self.processes, self.device = processes, processes.device
        self.model = build_model(recipe, start)
        self.net = processes.share(self.model)
        self.optimiser = make_optimiser(self.model, recipe)
        self.average = WeightAverage(self.model, recipe.averaging) if recipe.averaging else None
        self.result: nn.Module = self.average.model if self.average else self.model
        samples = len(task.train_images)
        taught = None if teacher is None else for_convolutions(teacher).to(self.device)
        self.objective = objective_of(recipe, self.model, samples, taught)
        self.result_objective = self.objective
        if self.average:
            self.result_objective = objective_of(recipe, self.result, samples)
        self.parts = {
            name: tuple(torch.from_numpy(array).to(self.device) for array in arrays)
            for name, *arrays in task.parts()
        }
        self.train_images, self.train_labels = self.parts.pop("train")
        self.batch_size = min(recipe.batch_size, len(self.train_images))
        self.steps = len(self.train_images) // self.batch_size

    def run_epoch(self, epoch: int, show: EpochProgress) -> dict[str, Any]:
        """Train for one epoch, measure the net, and return the line of the log."""
        start = time.monotonic()
        trained = self._train(epoch, show)
        if self.average or self.recipe.posterior:
            measure_statistics(self.result, self._some_inputs(epoch))
        tested = self.measure(show)
        return {
            "epoch": epoch + 1,
            "learning_rate": learning_rate(self.recipe, (epoch + 1) * self.steps - 1, self.steps),
            "penalty_weight": penalty_weight(self.recipe.lambda_, epoch, self.recipe.epochs),
            **{f"train_{name}": value for name, value in trained.items()},
            **tested,
            **self.result_objective.measure(),
            "seconds": round(time.monotonic() - start, 1),
        }

    def networks(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the nets to keep, each with the name of its file."""
        yield from self.result_objective.networks()
        for name, drawn in self.result_objective.draws():
            measure_statistics(drawn, self._some_inputs(self.recipe.epochs - 1))
            yield name, drawn

    def measure(self, show: EpochProgress | None = None) -> dict[str, float | None]:
        """Measure the net on samples for validation, if there are any, and for testing."""
        return {
            f"{part}_{name}": value
            for part in self.parts
            for name, value in self._measure_part(part, show).items()
        }

    @torch.inference_mode()
    def answers(self, part: str) -> Iterator[Tensor]:
        """Yield the classes that the net gives the samples of a part, batch by batch."""
        self.result.eval()
        for images in torch.split(self.parts[part][0], EVALUATION_BATCH):
            yield self.result_objective.logits(images).argmax(dim=1).cpu()

    def tensors(self) -> dict[str, Tensor]:
        """Return the state that is needed to continue after an epoch."""
        return self._named(optimiser_tensors(self.optimiser))

    def faults(self, tensors: Mapping[str, Tensor], epochs: int) -> Iterator[str]:
        """Yield why tensors are not what `tensors` returns after a number of epochs."""
        expected = self._named(shapes_after_a_step(self.optimiser))
        yield from state_faults(tensors, expected, epochs * self.steps)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the state that `tensors` returned."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}, "average": {}}
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        restore_optimiser(self.optimiser, parts["optimiser"])
        if self.average:
            self.average.restore(parts["average"])

    def _named(self, optimiser: Mapping[str, Tensor]) -> dict[str, Tensor]:
        parts = {"model": self.model.state_dict(), "optimiser": optimiser}
        if self.average:
            parts["average"] = self.average.tensors()
        return {
            f"{part}.{name}": t for part, entries in parts.items() for name, t in entries.items()
        }

    def _train(self, epoch: int, show: EpochProgress) -> dict[str, float | None]:
        self.net.train()
        set_alpha(self.model, alpha_of(self.recipe, epoch))
        # All randomness of an epoch follows from its seed: resuming needs no generator states.
        seed = _derived(self.recipe.seed, epoch)
        order = torch.randperm(
            len(self.train_images), generator=torch.Generator().manual_seed(seed)
        )
        generator = torch.Generator(self.device)
        generator.manual_seed(_derived(seed, self.processes.index))
        sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        for i in range(self.steps):
            batch = order[i * self.batch_size : (i + 1) * self.batch_size]
            own = batch[self.processes.index :: self.processes.count]
            sums += self._step(epoch, i, own.to(self.device), generator)
            if (i + 1) % STEPS_BETWEEN_UPDATES == 0 or i + 1 == self.steps or show.due():
                show.update(i + 1, self._means(sums, epoch))
        return self._means(self.processes.total(sums), epoch)

    def _step(self, epoch: int, i: int, batch: Tensor, generator: torch.Generator) -> Tensor:
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, epoch * self.steps + i, self.steps)
        images = augment(self.train_images[batch], recipe.flip, recipe.shift, generator)
        labels = self.train_labels[batch]
        loss, logits = self.objective.step(self.net, images, labels, generator)
        if recipe.lambda_ > 0:
            weight = penalty_weight(recipe.lambda_, epoch, recipe.epochs)
            loss = loss + weight * self.objective.penalty()
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        if recipe.gradient_norm > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.gradient_norm)
        self.optimiser.step()
        if self.average:
            self.average.update(self.model)
        return self._measure(loss, logits, labels, self.objective)

    def _some_inputs(self, epoch: int) -> Iterator[Tensor]:
        """Yield augmented training batches, the same in every process."""
        generator = torch.Generator(self.device)
        generator.manual_seed(_derived(self.recipe.seed, epoch))
        # Only whole batches, as in training: a single sample has no statistics.
        batches = torch.split(self.train_images, self.batch_size)[: self.steps]
        for batch in batches[:BATCHES_OF_STATISTICS]:
            yield augment(batch, self.recipe.flip, self.recipe.shift, generator)

    @torch.inference_mode()
    def _measure_part(self, part: str, show: EpochProgress | None) -> dict[str, float | None]:
        self.result.eval()
        samples, classes = self.parts[part]
        own = slice(self.processes.index, None, self.processes.count)
        sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        batches = zip(
            torch.split(samples[own], EVALUATION_BATCH),
            torch.split(classes[own], EVALUATION_BATCH),
            strict=True,
        )
        for images, labels in batches:
            if show is not None and show.due():
                show.say(f"measuring on the samples for {_FOR[part]}")
            logits = self.result_objective.logits(images)
            loss = functional.cross_entropy(logits, labels)
            sums += self._measure(loss, logits, labels, self.result_objective)
        return self._means(self.processes.total(sums))

    def _measure(
        self, loss: Tensor, logits: Tensor, labels: Tensor, objective: TrainingObjective
    ) -> Tensor:
        """Return the batch's sums: loss, correct answers, synaptic operations, samples."""
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        with torch.no_grad():
            spiking = self.recipe.net.spiking
            operations = objective.synaptic_operations() if spiking else torch.zeros_like(loss)
        samples = torch.tensor(len(labels), device=labels.device)
        return torch.stack(
            [loss.detach() * samples, correct, operations * samples, samples]
        ).double()

    def _means(self, sums: Tensor, epoch: int | None = None) -> dict[str, float | None]:
        """Return the means a sample; operations are ``None`` for a net without events."""
        loss, correct, operations, samples = sums.tolist()
        if not math.isfinite(loss):
            when = "" if epoch is None else f" in epoch {epoch + 1}"
            raise TrainingError(
                f"the loss became {loss}{when}; lower the recipe's learning_rate "
                f"({self.recipe.learning_rate}) or lambda ({self.recipe.lambda_})"
            )
        return {
            "loss": loss / samples,
            "accuracy": correct / samples,
            "synaptic_operations": operations / samples if self.recipe.net.spiking else None,
        }


def _derived(seed: int, number: int) -> int:
    """Return a separate seed for each epoch or process; torch takes 63 bits."""
    return (seed * 1_000_003 + number) % 2**63
