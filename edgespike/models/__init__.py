"""The model and the images that come with edgespike, so that it can show itself offline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgespike.files import new_folder
from edgespike.graph import Graph, load_graph, save_graph

MODEL = "fashion_s3nn.safetensors"
IMAGES = "fashion_test_200.npz"


def shipped_model() -> Graph:
    """Load the single-step spiking network that was trained on Fashion-MNIST."""
    with resources.as_file(resources.files(__name__) / MODEL) as path:
        return load_graph(path)


def shipped_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load 200 test images of Fashion-MNIST (MIT licence, Zalando SE).

    Returns
    -------
    images, labels
        uint8 ``(200, 1, 28, 28)`` and int64 ``(200,)``.
    """
    with (
        resources.as_file(resources.files(__name__) / IMAGES) as path,
        np.load(path, allow_pickle=False) as file,
    ):
        return file["images"], file["labels"].astype(np.int64)


def write_files(folder: Path) -> None:
    """Write model and images as the files that commands take, into a new folder.

    Raises
    ------
    WriteError
        The folder exists and is not empty, or cannot be written.
    """
    images, labels = shipped_images()
    with new_folder(folder) as temporary:
        save_graph(shipped_model(), temporary / "model.safetensors")
        np.save(temporary / "images.npy", images)
        np.save(temporary / "labels.npy", labels)
