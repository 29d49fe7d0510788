"""Build the shipped files of a model: ``python -m edgespike.models.build NAME RUN``.

RUN is the folder of the training run, see ``make model``. The images are the first 200 of
Fashion-MNIST's test set, in its order.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

from edgespike.converters import convert
from edgespike.data.fashion_mnist import load as load_fashion_mnist
from edgespike.graph import save_graph
from edgespike.models import IMAGES, file_name
from edgespike.nn.nets.checkpoint import load_model, save_model
from edgespike.storage.files import write_atomically

COUNT = 200
CHECKPOINTS = Path(__file__).parent.parent.parent / "examples" / "checkpoints"
"""Folder in which a checkout keeps the checkpoint itself."""


def ship(name: str, run: Path, folder: Path, checkpoints: Path) -> None:
    """Write graph, log and images to a folder, and the named checkpoint to another."""
    model, spec, metadata = load_model(run / "model.safetensors")
    save_graph(convert(model, spec.input_shape, name=name), folder / file_name(name))
    write_atomically(folder / f"{name}.jsonl", (run / "training.jsonl").read_bytes())
    named = checkpoints / f"{name}.safetensors"
    save_model(named, model, spec, {**metadata, "name": name})
    images, labels = load_fashion_mnist("test")
    content = io.BytesIO()
    np.savez_compressed(content, images=images[:COUNT], labels=labels[:COUNT].astype(np.uint8))
    write_atomically(folder / IMAGES, content.getvalue())


if __name__ == "__main__":
    ship(sys.argv[1], Path(sys.argv[2]), Path(__file__).parent, CHECKPOINTS)
