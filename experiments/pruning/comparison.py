"""Train a network, prune it by every method to the same number of weights, and fine-tune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgespike.prune import Gathered, Method, Options, Spectrum, gather, prune
from experiments.pruning.results import UNPRUNED, Comparison, Row
from experiments.pruning.tasks import Task
from experiments.pruning.training import (
    MEASURED_TOGETHER,
    Advance,
    Schedule,
    SequenceNet,
    fit,
    measure,
    new_net,
)

GATHERED = 10_000
"""Largest number of training samples from which the covariance is gathered."""

Watch = Callable[[str], Advance]
"""Takes the name of a training that begins, and returns the function that reports its steps."""


@dataclass(frozen=True)
class Plan:
    """The settings of a comparison on a task.

    Parameters
    ----------
    task
        The task.
    units, keep
        Number of recurrent units before and after pruning.
    training, tuning
        Schedules of the whole network, and of each pruned one.
    seeds
        Seeds, one training for each.
    """

    task: Task
    units: int
    keep: int
    training: Schedule
    tuning: Schedule
    seeds: tuple[int, ...]

    @property
    def matrices(self) -> Literal["recurrent", "all"]:
        """Which matrices low rank and columns change: all if the budget cannot be met otherwise."""
        around = self.task.features + self.task.classes
        rank_1 = 2 * self.units
        enough = self.keep * (self.keep + around) >= self.units * around + rank_1
        return "recurrent" if enough else "all"

    def in_words(self) -> str:
        """Return a description of the comparison."""
        seeds = f"{len(self.seeds)} seeds" if len(self.seeds) > 1 else "1 seed"
        samples = len(self.task.train.inputs)
        gathered = min(samples, GATHERED)
        return (
            f"{self.units} {self.task.nonlinearity} units, {self.keep} kept; {seeds}. Trained in "
            f"{self.training.in_words(samples)}; tuned in {self.tuning.in_words(samples)}. The "
            f"covariance is that of {gathered:,} training sequences; measured with all "
            f"{len(self.task.test.inputs):,} test sequences."
        )


def compare(plan: Plan, folder: Path, watch: Watch) -> Comparison:
    """Run a plan; trainings that are already finished in ``folder`` are not repeated."""
    rows: list[Row] = []
    directions = []
    for seed in plan.seeds:
        net = new_net(plan.task, plan.units, seed)
        place = folder / plan.task.name / f"seed{seed}"
        advance = watch(f"{plan.task.name}, seed {seed}: {UNPRUNED}")
        fit(net, plan.task, plan.training, seed, place / f"{UNPRUNED}.safetensors", advance)
        # From every state, for the best possible reconstruction of dropped units.
        samples = plan.task.train.first(GATHERED)
        gathered = gather(net, plan.task.batches(samples, MEASURED_TOGETHER), thin=1)
        covariance = next(iter(gathered.covariances.values()))
        directions.append(Spectrum(covariance.matrix()).units_needed(0.01))
        whole = measure(net, plan.task)
        rows.append(Row(UNPRUNED, seed, net.weights(), whole, whole))
        for method in Method:
            advance = watch(f"{plan.task.name}, seed {seed}: {method.value}")
            path = place / f"{method.value}.safetensors"
            rows.append(_pruned(plan, net, gathered, method, seed, path, advance))
    return Comparison(
        plan.task.description, plan.in_words(), plan.task.every_step, directions, rows
    )


def _pruned(
    plan: Plan,
    net: SequenceNet,
    gathered: Gathered,
    method: Method,
    seed: int,
    path: Path,
    advance: Advance,
) -> Row:
    """Prune, measure, fine-tune and measure again."""
    options = Options(seed=seed, matrices=plan.matrices)
    pruned = prune(net, gathered, plan.keep, method=method, options=options)
    before = measure(pruned.model, plan.task)
    fit(pruned.model, plan.task, plan.tuning, seed, path, advance, pruned.limited)
    after = measure(pruned.model, plan.task)
    return Row(method.value, seed, pruned.report.weights_after, before, after)
