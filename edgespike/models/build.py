"""Make the shipped files again: ``python -m edgespike.models.build CHECKPOINT``.

The checkpoint comes from ``edgespike train fashion_s3nn``. The images are the first 200 of
Fashion-MNIST's test set, in its order.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

from edgespike.converters.checkpoints import load_checkpoint
from edgespike.data.fashion_mnist import load as load_fashion_mnist
from edgespike.files import write_atomically
from edgespike.graph import Graph, save_graph
from edgespike.models import IMAGES, MODEL

COUNT = 200


def build(checkpoint: Path, folder: Path) -> None:
    """Write the model and the images into a folder."""
    trained = load_checkpoint(checkpoint)
    save_graph(Graph(MODEL.removesuffix(".safetensors"), trained.nodes), folder / MODEL)
    images, labels = load_fashion_mnist("test")
    content = io.BytesIO()
    np.savez_compressed(content, images=images[:COUNT], labels=labels[:COUNT].astype(np.uint8))
    write_atomically(folder / IMAGES, content.getvalue())


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(__file__).parent)
