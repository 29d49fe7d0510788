"""What a float net of torch loses on its way through an ONNX file to a graph of few levels.

The trained nets of ``experiments/ptq`` are exported with both exporters of torch. Each file is run
in ONNX Runtime, and converted at 16 and at 8 levels. Without arguments it is a rehearsal that takes
seconds: one net on the 200 images that come with edgespike. With ``--full`` both nets classify all
10,000 test images of Fashion-MNIST, in about three minutes on one core. It writes ``README.md``;
the latest is in ``experiments/onnx/results``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.converters.checking import check_source
from edgespike.data import fashion_mnist
from edgespike.errors import EdgespikeError
from edgespike.models import shipped_images
from edgespike.storage.files import write_atomically
from experiments.ptq.run import CALIBRATION, SEEDS, STORED, Images, Labels, classes
from experiments.ptq.training import load, make_net

LEVELS = (16, 8)
CHECKED = 100
"""Images on which every layer of the file is compared with the net that was read from it."""


@dataclass(frozen=True)
class Measured:
    """One file at one number of levels; accuracies in per cent.

    Parameters
    ----------
    distance
        The largest distance between ONNX Runtime and the net that was read, as a share of a layer's
        largest magnitude.
    """

    seed: int
    exporter: str
    levels: int
    before: float
    after: float
    flips: float
    distance: float
    seconds: float


def exported(seed: int, path: Path, *, dynamo: bool) -> None:
    """Write a trained net as an ONNX file for batches of any size."""
    net = make_net()
    parameters = {
        name: torch.tensor(x, dtype=torch.float32)
        for name, x in load(STORED / f"seed{seed}.safetensors").items()
    }
    net.load_state_dict(parameters, strict=False)
    net.eval()
    example = (torch.zeros(2, 1, 28, 28),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporters deprecate parts of themselves
        if dynamo:
            shapes = ({0: "batch"},)
            torch.onnx.export(net, example, path, dynamo=True, dynamic_shapes=shapes, verbose=False)
        else:
            axes = {"x": {0: "batch"}}
            torch.onnx.export(
                net, example, path, dynamo=False, input_names=["x"], dynamic_axes=axes
            )


def theirs(path: Path, images: Images) -> Labels:
    """Return ONNX Runtime's answers."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    x: NDArray[np.float32] = images.astype(np.float32) / np.float32(255)
    parts = [x[start : start + 500] for start in range(0, len(x), 500)]
    return np.concatenate([session.run(None, {given.name: part})[0].argmax(1) for part in parts])


def measure(
    seed: int, path: Path, exporter: str, pool: Images, test: tuple[Images, Labels]
) -> list[Measured]:
    """Convert a file at each number of levels, and classify the images."""
    images, labels = test
    chosen = np.random.default_rng(0).choice(len(pool), min(CALIBRATION, len(pool)), replace=False)
    before = theirs(path, images)
    found = []
    for levels in LEVELS:
        start = time.perf_counter()
        options = ConvertOptions(levels=levels, calibrate=pool[chosen], input_scale=1 / 255)
        converted = conversion(path, options)
        seconds = time.perf_counter() - start
        assert converted.quantised is not None
        check = check_source(converted.quantised, images[:CHECKED])
        ours = classes(converted.graph, images)
        result = Measured(
            seed,
            exporter,
            levels,
            100 * float((before == labels).mean()),
            100 * float((ours == labels).mean()),
            100 * float((ours != before).mean()),
            max(part.distance for part in check.parts),
            seconds,
        )
        print(row(result), flush=True)
        found.append(result)
    return found


def row(found: Measured) -> str:
    """Return a file's result as a row of a table."""
    return (
        f"| {found.seed} | {found.exporter} | {found.levels} | {found.before:.2f} | "
        f"{found.after:.2f} | {found.before - found.after:+.2f} | {found.flips:.1f} | "
        f"{found.distance:.1e} | {found.seconds:.1f} |"
    )


def page(results: list[Measured], images: int) -> str:
    """Return the results as Markdown."""
    lines = [
        "# From torch through ONNX to a graph",
        "",
        "Written by `python -m experiments.onnx.run --full --out experiments/onnx/results`.",
        "",
        f"The nets of [experiments/ptq](../../ptq/README.md), exported by `torch.onnx.export` and "
        f"classified on {images:,} test images: the file in ONNX Runtime (before), and the graph "
        f"of 8-bit weights, calibrated on {CALIBRATION} training images without labels (after). "
        f"Distance is the largest between ONNX Runtime and the net that was read, over all layers "
        f"and {CHECKED} images, as a share of the layer's largest magnitude.",
        "",
        "| seed | exporter | levels | before % | after % | points lost | flips % | distance | s |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
        *map(row, results),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="both nets, all test images")
    parser.add_argument("--out", type=Path, help="folder of the results; default a temporary one")
    options = parser.parse_args(arguments)
    try:
        out = options.out or Path(tempfile.mkdtemp())
        out.mkdir(parents=True, exist_ok=True)
        if options.full:
            pool, test = fashion_mnist.load("train")[0], fashion_mnist.load("test")
        else:
            test = shipped_images()
            pool = test[0]
        results = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in SEEDS if options.full else SEEDS[:1]:
                for exporter in ("dynamo", "torchscript"):
                    path = Path(folder, f"{exporter}{seed}.onnx")
                    exported(seed, path, dynamo=exporter == "dynamo")
                    results += measure(seed, path, exporter, pool, test)
        write_atomically(out / "README.md", page(results, len(test[0])).encode())
    except (EdgespikeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
