"""What quantising after training costs: a ReLU net of plain torch on Fashion-MNIST.

Two trainings of a small convolutional net are quantised with several numbers of weight bits and of
levels, at 16 levels with three draws of the images for calibration. Without arguments it is a
rehearsal that takes seconds: a stored training on the 200 images that come with edgespike. With
``--full`` all 10,000 test images are classified; with ``--train`` the nets are trained again first
(about two minutes each on one core). It writes ``README.md`` and ``results.json``; the latest
results are in ``experiments/ptq/results``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import edgespike
from edgespike.converters.base import ConvertOptions
from edgespike.data import fashion_mnist
from edgespike.errors import EdgespikeError
from edgespike.floats.run import answers
from edgespike.models import shipped_images
from edgespike.quantise import quantise
from edgespike.storage.files import write_atomically
from experiments.ptq.training import CHANNELS, HIDDEN, as_float_net, load, save, train

STORED = Path(__file__).parent / "results"
SEEDS, EPOCHS = (0, 1), 4
SETTINGS = (*((bits, levels) for bits in (8, 4) for levels in (256, 16, 8, 4)), (2, 16))
"""Bits of a weight and levels of an activation."""

CALIBRATION = 256
DRAWS = 3
"""Of the images for calibration, at `GOAL_LEVELS`; once elsewhere."""

GOAL_LEVELS = 16
BATCH = 1000
GOAL = 0.3
"""Most points that 16 levels may cost."""

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass
class Measured:
    """One setting of one training; a list has one number for each draw of the calibration.

    Parameters
    ----------
    accuracy
        In per cent, of the graph on the test images.
    lost
        Points below the float net's accuracy.
    flips
        Answers that differ from the float net's, in per cent.
    seconds
        Of quantising.
    """

    seed: int
    bits: int
    levels: int
    accuracy: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    flips: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Data:
    """Images for training and calibration, and those that are classified, with labels."""

    train: tuple[Images, Labels]
    test: tuple[Images, Labels]


def classes(graph: edgespike.Graph, images: Images) -> Labels:
    """Return the graph's answers on the cpu target."""
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return np.concatenate([edgespike.run(graph, part).classes(graph) for part in parts])


def measure(
    seed: int, data: Data, settings: tuple[tuple[int, int], ...], draws: int
) -> tuple[float, list[Measured]]:
    """Return the float net's accuracy in per cent, and what each setting makes of it."""
    net = as_float_net(load(STORED / f"seed{seed}.safetensors"))
    images, labels = data.test
    floats = answers(net, images / 255).argmax(axis=1)
    before, found = 100 * float((floats == labels).mean()), []
    for bits, levels in settings:
        result = Measured(seed, bits, levels)
        for draw in range(draws if levels == GOAL_LEVELS else 1):
            pool = data.train[0]
            chosen = np.random.default_rng(draw).choice(
                len(pool), min(CALIBRATION, len(pool)), replace=False
            )
            start = time.perf_counter()
            options = ConvertOptions(
                bits=bits, levels=levels, calibrate=pool[chosen], input_scale=1 / 255
            )
            graph = quantise(net, options, "ptq").graph
            result.seconds.append(time.perf_counter() - start)
            ours = classes(graph, images)
            result.accuracy.append(100 * float((ours == labels).mean()))
            result.lost.append(before - result.accuracy[-1])
            result.flips.append(100 * float((ours != floats).mean()))
        print(row(result), flush=True)
        found.append(result)
    return before, found


def row(result: Measured) -> str:
    """Return a setting's means as a row of a table."""
    accuracy, lost, flips = (
        float(np.mean(x)) for x in (result.accuracy, result.lost, result.flips)
    )
    worst = max(result.lost)
    return (
        f"| {result.seed} | {result.bits} | {result.levels} | {accuracy:.2f} | {lost:+.2f} | "
        f"{worst:+.2f} | {flips:.1f} | {min(result.seconds):.1f} |"
    )


def page(floats: dict[int, float], results: list[Measured], images: int) -> str:
    """Return the results as Markdown."""
    met = [r for r in results if r.levels == GOAL_LEVELS and r.bits in (4, 8)]
    verdict = "met" if all(np.mean(r.lost) <= GOAL for r in met) else "missed"
    net = "-".join(f"{channels}c3" for channels in CHANNELS)
    accuracies = ", ".join(f"seed {seed}: {value:.2f} %" for seed, value in floats.items())
    lines = [
        "# Quantised after training",
        "",
        "Written by `python -m experiments.ptq.run --full --out experiments/ptq/results`.",
        "",
        f"Float net: {net} (batch norm, ReLU, max pool each), dense {HIDDEN}, dense 10; trained "
        f"{EPOCHS} epochs in plain torch. Accuracy on {images:,} test images: {accuracies}.",
        "",
        f"Each setting was calibrated on {CALIBRATION} training images without labels, at "
        f"{GOAL_LEVELS} levels on {DRAWS} draws of them; shown are means over the draws, and the "
        "most points lost of any draw. "
        "With 4 bits and fewer the first and the last layer have 8. Flips are answers that differ "
        "from the float net's. Seconds are the least of the draws, on the machine that ran it.",
        "",
        f"Goal, at most {GOAL} points lost at 16 levels with 8-bit weights and with a 4-bit body: "
        f"{verdict}.",
        "",
        "| seed | bits | levels | accuracy % | points lost | most | flips % | seconds |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(row, results),
    ]
    return "\n".join(lines) + "\n"


def train_all(data: Data) -> None:
    """Train the nets, and keep their parameters beside the results."""
    torch.set_num_threads(1)
    for seed in SEEDS:
        parameters = train(*data.train, seed, EPOCHS)
        save(STORED / f"seed{seed}.safetensors", parameters)


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="classify all test images")
    parser.add_argument("--train", action="store_true", help="train the nets again first")
    parser.add_argument("--out", type=Path, help="folder of the results; default a temporary one")
    options = parser.parse_args(arguments)
    try:
        out = options.out or Path(tempfile.mkdtemp())
        out.mkdir(parents=True, exist_ok=True)
        if options.full or options.train:
            data = Data(fashion_mnist.load("train"), fashion_mnist.load("test"))
        else:
            shown = shipped_images()
            data = Data(shown, shown)
        if options.train:
            train_all(data)
        settings, draws = (SETTINGS, DRAWS) if options.full else (((8, 16), (4, 16)), 1)
        floats, results = {}, []
        for seed in SEEDS if options.full else SEEDS[:1]:
            floats[seed], found = measure(seed, data, settings, draws)
            results += found
        text = json.dumps(
            {"float": floats, "settings": [asdict(result) for result in results]}, indent=1
        )
        write_atomically(out / "results.json", (text + "\n").encode())
        write_atomically(out / "README.md", page(floats, results, len(data.test[0])).encode())
    except (EdgespikeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
