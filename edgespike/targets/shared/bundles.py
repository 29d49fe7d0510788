"""What the programs of several targets have in common: labels, the reader of samples, a page."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from edgespike.graph import Graph
from edgespike.targets.shared import samples_and_answers

_WIDTH = 100
"""Characters of a line of a page."""


def labels(graph: Graph) -> dict[str, Any]:
    """Return names of classes and scaling of the input as JSON holds them; nothing if not given."""
    found: dict[str, Any] = {}
    if graph.class_names:
        found["class_names"] = list(graph.class_names)
    if graph.scaling is not None:
        found["scaling"] = {name: list(values) for name, values in asdict(graph.scaling).items()}
    return found


def write_reader(folder: Path) -> None:
    """Write the part of a bundle's program that reads samples and prints answers."""
    source = Path(samples_and_answers.__file__)
    shutil.copyfile(source, folder / source.name)


def own_data(graph: Graph, place: str) -> str:
    """Return in Markdown how a bundle's ``run.py`` is given data of one's own.

    Parameters
    ----------
    graph
        The graph.
    place
        What holds the scaling: "`network.json`".
    """
    op, scaled = graph.input_op, graph.scaling is not None
    axes = ["samples", *([str(graph.steps)] if graph.steps > 1 else []), *map(str, op.shape)]
    channels = ", channels first" if len(op.shape) == 3 else ""
    of_steps = f"; {graph.steps} rows are one sample" if graph.steps > 1 else ""
    paragraphs = [
        f"`my_samples.npy` holds an array ({', '.join(axes)}){channels}, as `numpy.save` writes "
        "it:",
        f"- integers: the network's own whole numbers, {op.low}..{op.high}; one unit stands for "
        f"{op.scale:g}",
    ]
    if scaled:
        paragraphs.append(
            "- floating-point numbers: measured ones, in the unit of the training data; `run.py` "
            "computes `floor((x - offset) / step + 1/2)` in float64 and clips it to "
            f"{op.low}..{op.high}, with the offset and step in {place}"
        )
    paragraphs.append(
        f"A file that ends in `.csv` holds rows of {prod(op.shape)} "
        f"{'measured' if scaled else 'whole'} numbers{of_steps}; the first row may name the "
        "columns."
    )
    if _takes_images(graph):
        paragraphs.append(
            "An image (`.png`, `.bmp`; 8 bits, without transparency) is read, "
            f"{'grey' if op.shape[0] == 1 else 'in colour'}, and resized to {op.shape[2]} x "
            f"{op.shape[1]} pixels if Pillow is installed (`python -m pip install pillow`)."
        )
    name = " and the name" if graph.class_names else ""
    paragraphs.append(f"For each sample, `run.py` prints the number{name} of its class.")
    return "\n\n".join(map(_wrapped, paragraphs)).replace("\n\n- floating", "\n- floating")


def _wrapped(text: str) -> str:
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _takes_images(graph: Graph) -> bool:
    """Return whether the reader takes an image's pixels as they are."""
    op = graph.input_op
    pixels = len(op.shape) == 3 and op.shape[0] in (1, 3) and (op.low, op.high) == (0, 255)
    return pixels and graph.scaling is None
