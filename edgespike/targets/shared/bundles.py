"""What the programs of several targets have in common: labels, the reader of samples, a page."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from edgespike.graph import Graph
from edgespike.targets.shared import samples_and_answers


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
    op, scaling = graph.input_op, graph.scaling
    axes = ["samples", *([str(graph.steps)] if graph.steps > 1 else []), *map(str, op.shape)]
    lines = [
        f"`my_samples.npy` holds an array ({', '.join(axes)}){_axes(graph)}, as `numpy.save` "
        "writes it:",
        "",
        f"- integers: the network's own whole numbers, {op.low}..{op.high}; one unit stands for "
        f"{op.scale:g}",
    ]
    if scaling is not None:
        lines.append(
            "- floating-point numbers: measured ones, in the unit of the training data. `run.py` "
            "scales them, `floor((x - offset) / step + 1/2)` in float64, clipped to "
            f"{op.low}..{op.high}, with the offset and step in {place}."
        )
    of_steps = f"; {graph.steps} rows are one sample" if graph.steps > 1 else ""
    what = "measured numbers" if scaling is not None else "whole numbers"
    lines += [
        "",
        f"A file that ends in `.csv` holds rows of {prod(op.shape)} {what}{of_steps}; the first "
        "row may name the columns.",
    ]
    if _takes_images(graph):
        colours = "grey" if op.shape[0] == 1 else "in colour"
        lines.append(
            f"An image of {op.shape[2]} x {op.shape[1]} pixels (`.png`, `.jpg`, `.bmp`) is read, "
            f"{colours}, if Pillow is installed (`python -m pip install pillow`)."
        )
    lines += ["", f"Printed is, for each sample, the number{_name(graph)} of its class."]
    return "\n".join(lines)


def _axes(graph: Graph) -> str:
    return ", channels first" if len(graph.input_op.shape) == 3 else ""


def _name(graph: Graph) -> str:
    return " and the name" if graph.class_names else ""


def _takes_images(graph: Graph) -> bool:
    """Return whether the reader takes an image's pixels as they are."""
    op = graph.input_op
    pixels = len(op.shape) == 3 and op.shape[0] in (1, 3) and (op.low, op.high) == (0, 255)
    return pixels and graph.scaling is None
