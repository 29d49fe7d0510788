"""Mixture posteriors compared with a deep ensemble and a single net: uncertainty and calibration.

Both parts are measured on the integer graphs that are deployed. The first is a regression of one
variable with a gap in the data, where members should disagree. The second is Fashion-MNIST:
accuracy, calibration, and how well digits (MNIST) are told from clothes. It compares a single net,
a deep ensemble, and mixtures with the same number of members and epochs. Without arguments it is a
rehearsal on the 200 shipped images that takes seconds and whose figures are meaningless. With
``--full`` it takes a quarter of an hour on one core. It writes ``README.md``, ``results.json`` and
``posterior.svg``; the latest results are in ``experiments/posterior/results``. Finished trainings
are not repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from torch import nn

import edgespike
from edgespike.bayes.metrics import area_under_roc, calibration_bins, expected_calibration_error
from edgespike.bayes.posterior import MixturePosterior
from edgespike.counting import Counter
from edgespike.data import DATA_SETS
from edgespike.errors import EdgespikeError
from edgespike.graph import Graph
from edgespike.models import shipped_images
from edgespike.nn import (
    ConvSpec,
    DenseSpec,
    InputScale,
    NetSpec,
    PosteriorSpec,
    QuantLinear,
    Recipe,
    RoundClip,
    Task,
    load_task,
    train,
)
from edgespike.storage.files import write_atomically
from edgespike.targets import prepare
from edgespike.trace import log_probabilities, member_logits, uncertainty

matplotlib.use("svg")

NET = NetSpec(
    input_shape=(1, 28, 28),
    classes=10,
    layers=(ConvSpec(16, pool=2, bits=5), ConvSpec(32, pool=2), DenseSpec(64)),
)
NOISE = 0.1
"""Standard deviation of the regression data around the curve."""

GAP = (90, 165)
"""First and last of the inputs, which range from 0 to 255, without data in the regression."""


@dataclass(frozen=True)
class Scale:
    """The amount of training."""

    members: int
    epochs: int
    images: int
    seeds: tuple[int, ...]
    temperatures: tuple[float, ...]
    regression_members: int
    regression_steps: int
    regression_temperatures: tuple[float, ...]


FULL = Scale(4, 4, 10_000, (1, 2, 3), (1.0, 0.01), 8, 2000, (1.0, 0.1))
REHEARSAL = Scale(2, 1, 160, (1,), (1.0,), 3, 60, (1.0,))


def regression_data(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return whole inputs from 0 to 255 outside the gap, and noisy values of a sine."""
    rng = np.random.default_rng(seed)
    places = np.array([x for x in range(256) if not GAP[0] <= x <= GAP[1]])
    x = np.sort(rng.choice(places, 80, replace=False))
    y = curve(x) + NOISE * rng.standard_normal(len(x))
    return torch.tensor(x)[:, None], torch.tensor(y, dtype=torch.float32)[:, None]


def curve(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the true curve of the regression."""
    return np.asarray(np.sin(2 * np.pi * x / 160))


def regression_net() -> nn.Sequential:
    """Build a net of 16 activation states whose first thresholds are spread over the inputs."""
    first = QuantLinear(1, 48, bias=True)
    nn.init.normal_(first.weight, std=4)
    nn.init.uniform_(first.bias, -4, 4)
    middle, last = QuantLinear(48, 48, bias=True), QuantLinear(48, 1, bias=True)
    nn.init.normal_(middle.weight, std=48**-0.5)
    return nn.Sequential(InputScale(255), first, RoundClip(16), middle, RoundClip(16), last)


def fit_regression(scale: Scale, seed: int, temperature: float) -> MixturePosterior:
    """Train on all data in each step; at temperature 0 the members are a deep ensemble."""
    x, y = regression_data(seed)
    torch.manual_seed(seed)
    posterior = MixturePosterior(
        [regression_net() for _ in range(scale.regression_members)], prior_deviation=4.0
    )
    parameters = posterior.members if temperature == 0 else posterior
    optimiser = torch.optim.Adam(parameters.parameters(), lr=1e-2)
    steps = scale.regression_steps
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed) if temperature > 0 else None
    for _ in range(steps):
        losses = ((posterior(x, generator) - y) ** 2).mean(dim=(1, 2)) / (2 * NOISE**2)
        loss = posterior.negative_elbo(losses, len(x), temperature)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return posterior.eval()


def regression_curves(posterior: MixturePosterior, draws: int, seed: int) -> NDArray[np.float64]:
    """Run members, or draws of each, as one integer graph on every input: ``(256, members)``."""
    generator = torch.Generator().manual_seed(seed)
    nets: list[nn.Module] = list(posterior.members)
    if draws:
        nets = [posterior.draw_member(k, generator) for k in range(len(nets)) for _ in range(draws)]
    graph = edgespike.ensemble([edgespike.convert(net, input_shape=(1,)) for net in nets])
    accumulators = prepare(graph).tally(np.arange(256)[:, None]).accumulators
    return member_logits(graph, accumulators)[:, :, 0]


def regress(scale: Scale) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Compare errors and disagreement inside and outside the gap; also return the first curves."""
    rows: dict[str, list[dict[str, float]]] = {}
    curves: dict[str, NDArray[np.float64]] = {}
    for seed in scale.seeds:
        deep = fit_regression(scale, seed, 0)
        ensemble = regression_curves(deep, 0, seed)
        found = {"one net": ensemble[:, :1], "deep ensemble": ensemble}
        for temperature in scale.regression_temperatures:
            mixture = fit_regression(scale, seed, temperature)
            name = f"mixture, T = {temperature:g}"
            found[f"{name}, means"] = regression_curves(mixture, 0, seed)
            found[f"{name}, 4 draws of each"] = regression_curves(mixture, 4, seed)
        curves = curves or found
        for name, values in found.items():
            rows.setdefault(name, []).append(_regression_row(values, seed))
    return {name: _mean_and_spread(found) for name, found in rows.items()}, curves


def _regression_row(values: NDArray[np.float64], seed: int) -> dict[str, float]:
    seen = regression_data(seed)[0].numpy()[:, 0]
    gap = slice(GAP[0], GAP[1] + 1)
    error, deviation = values.mean(axis=1) - curve(np.arange(256)), values.std(axis=1)
    return {
        "error at the data": float(np.sqrt((error[seen] ** 2).mean())),
        "error in the gap": float(np.sqrt((error[gap] ** 2).mean())),
        "deviation at the data": float(deviation[seen].mean()),
        "deviation in the gap": float(deviation[gap].mean()),
    }


def _recipes(scale: Scale, seed: int) -> dict[str, list[Recipe]]:
    """Return the recipes of a seed: those of an ensemble, and of a mixture for each temperature."""
    common: dict[str, Any] = {
        "net": NET,
        "epochs": scale.epochs,
        "limit": scale.images,
        "batch_size": 64,
        "learning_rate": 5e-3,
    }
    seeds = range(scale.members * seed, scale.members * (seed + 1))
    found = {"deep": [Recipe(**common, seed=number, weight_decay=1e-2) for number in seeds]}
    for temperature in scale.temperatures:
        spec = PosteriorSpec(scale.members, temperature=temperature, samples=scale.members)
        recipe = Recipe(**common, seed=seeds[0], weight_decay=0.0, posterior=spec)
        found[f"mixture, T = {temperature:g}"] = [recipe]
    return found


def graphs_of(scale: Scale, seed: int, folder: Path, task: Task) -> dict[str, list[Graph]]:
    """Train, and return the graphs to be measured; figures of several graphs are averaged."""
    found: dict[str, list[Graph]] = {}
    for name, recipes in _recipes(scale, seed).items():
        paths: list[Path] = []
        for recipe in recipes:
            place = folder / f"{name.replace(', T = ', '-')}-{recipe.seed}"
            result = train(recipe, place, task=task, resume=True, quiet=True)
            paths += result.models
            print(f"{place.name}: {result.history[-1]}", file=sys.stderr, flush=True)
        graphs = [edgespike.load(path) for path in paths]
        if name == "deep":
            found["one net"] = graphs
            found["deep ensemble"] = [edgespike.ensemble(graphs)]
        else:
            found[f"{name}, means"] = [edgespike.ensemble(graphs[: scale.members])]
            found[f"{name}, draws"] = [edgespike.ensemble(graphs[scale.members :])]
    return found


def measure(
    graph: Graph, known: NDArray[np.uint8], labels: NDArray[np.int64], unknown: NDArray[np.uint8]
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Run a graph on known and unknown images; return its figures, and the known probabilities."""
    runner = prepare(graph)
    tally, strange = runner.tally(known), runner.tally(unknown)
    logs = log_probabilities(graph, tally.accumulators)
    of_known = uncertainty(graph, tally.accumulators)
    of_unknown = uncertainty(graph, strange.accumulators)
    counts = Counter(graph).counts(tally)
    operations = counts.synaptic_operations() + counts.multiply_accumulates()
    figures = {
        "accuracy": float((logs.argmax(axis=1) == labels).mean()),
        "NLL": -float(logs[np.arange(len(labels)), labels].mean()),
        "ECE": expected_calibration_error(np.exp(logs), labels),
        "AUROC by entropy": area_under_roc(of_known.entropy, of_unknown.entropy),
        "AUROC by mutual information": area_under_roc(
            of_known.mutual_information, of_unknown.mutual_information
        ),
        "operations": operations / len(known),
    }
    return figures, np.exp(logs)


def classify(
    scale: Scale, folder: Path, task: Task, unknown: NDArray[np.uint8]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train and measure everything; return figures, and the first seed's calibration bins."""
    rows: dict[str, list[dict[str, float]]] = {}
    bins: dict[str, Any] = {}
    for seed in scale.seeds:
        for name, graphs in graphs_of(scale, seed, folder, task).items():
            measured = [measure(g, task.test_images, task.test_labels, unknown) for g in graphs]
            found = [figures for figures, _ in measured]
            rows.setdefault(name, []).append(
                {key: float(np.mean([row[key] for row in found])) for key in found[0]}
            )
            if name not in bins:
                bins[name] = calibration_bins(measured[0][1], task.test_labels)[:2]
    return {name: _mean_and_spread(found) for name, found in rows.items()}, bins


def _mean_and_spread(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return each figure's mean over the seeds, its standard deviation, and every value."""
    found = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        found[key] = {"mean": float(np.mean(values)), "deviation": spread, "values": values}
    return found


def plot(curves: dict[str, NDArray[np.float64]], bins: dict[str, Any], path: Path) -> None:
    """Plot the regressions of one seed, and accuracy over confidence."""
    shown = [name for name in curves if name != "one net"]
    count = len(shown) + 1
    figure, axes = pyplot.subplots(1, count, figsize=(4 * count, 4), layout="constrained")
    x, data = np.arange(256), regression_data(1)
    for axis, name in zip(axes, shown, strict=False):
        mean, deviation = curves[name].mean(axis=1), curves[name].std(axis=1)
        axis.fill_between(x, mean - 2 * deviation, mean + 2 * deviation, alpha=0.3)
        axis.plot(x, mean, label="mean, and 2 deviations of the members")
        axis.plot(x, curve(x), ":", color="black", label="truth")
        axis.plot(data[0], data[1], ".", color="black", markersize=3)
        axis.set(title=name, ylim=(-3, 3), xlabel="input")
    axes[0].legend(fontsize="small", loc="lower left")
    axes[-1].plot([0, 1], [0, 1], ":", color="black")
    for name, (confidence, accuracy) in bins.items():
        axes[-1].plot(confidence, accuracy, marker=".", label=name)
    axes[-1].set(title="Fashion-MNIST", xlabel="confidence", ylabel="accuracy")
    axes[-1].legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _table(rows: dict[str, Any]) -> list[str]:
    keys = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(keys) + " |", "|---" + "|---:" * len(keys) + "|"]
    for name, row in rows.items():
        cells = [_cell(**row[key]) for key in keys]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(mean: float, deviation: float, values: list[float]) -> str:
    return f"{mean:,.0f} ± {deviation:,.0f}" if mean > 1000 else f"{mean:.4f} ± {deviation:.4f}"


def markdown(content: dict[str, Any]) -> str:
    """Return a page with both tables."""
    scale = Scale(**content["scale"])
    lines = [
        "# Mixture posteriors, an ensemble and a single net",
        "",
        "Written by `make posterior-experiment`. All figures are those of the integer graphs that",
        f"are deployed: means and standard deviations over the seeds {list(scale.seeds)}.",
        "",
        "## A regression with a gap",
        "",
        f"80 points of a sine with noise of {NOISE}, none of them between the inputs {GAP[0]} and",
        f"{GAP[1]}; {scale.regression_members} members of two hidden layers of 48 neurons with 16",
        f"states, {scale.regression_steps:,} steps each. Errors are root mean squares of the",
        "members' mean relative to the true curve; deviations are those of the members around",
        "their mean.",
        "",
        *_table(content["regression"]),
        "",
        "## Fashion-MNIST, with MNIST as unknown data",
        "",
        f"The first {scale.images:,} training images, {scale.epochs} epochs, {scale.members}",
        "members; S3NN with 16 and 32 channels and 64 neurons. Tested on all 10,000 test images of",
        "both data sets. *One net* is the mean over the ensemble's nets, each measured alone. T is",
        "the temperature of a mixture: 1 is Bayes' rule. The members of *means* are the means of",
        "the components, those of *draws* one draw of each. NLL is in nats, ECE has 15 bins. AUROC",
        "is the probability that a digit has higher entropy (mutual information) than a piece of",
        "clothing; a single net has no mutual information, so its value is 0.5. Operations are",
        "synaptic operations and multiply-accumulates a sample.",
        "",
        *_table(content["classification"]),
        "",
        "These are short trainings of a small net on part of the data: they compare ways to train,",
        "and do not show how good each of them can be.",
        "",
        "![Regressions, and accuracy over confidence](posterior.svg)",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="train on Fashion-MNIST")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--runs", type=Path, help="folder for the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    out = arguments.out or Path(tempfile.mkdtemp(prefix="posterior-"))
    out.mkdir(parents=True, exist_ok=True)
    if arguments.full:
        scale, task = FULL, load_task("fashion_mnist", NET.input_shape, NET.classes)
        unknown = DATA_SETS["mnist"].load("test")[0]
    else:
        images, labels = shipped_images()
        scale, task = REHEARSAL, Task(images[:160], labels[:160], images[160:], labels[160:])
        unknown = 255 - images[160:]
    regression, curves = regress(scale)
    classification, bins = classify(scale, arguments.runs or out / "runs", task, unknown)
    content = {
        "scale": asdict(scale),
        "regression": regression,
        "classification": classification,
    }
    print(markdown(content))
    write_atomically(out / "results.json", (json.dumps(content, indent=1) + "\n").encode())
    write_atomically(out / "README.md", markdown(content).encode())
    plot(curves, bins, out / "posterior.svg")
    print(f"written to {out}: README.md, results.json, posterior.svg")


if __name__ == "__main__":
    try:
        main()
    except (EdgespikeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
