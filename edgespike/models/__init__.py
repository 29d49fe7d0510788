"""The models and images that come with edgespike, so that it can be tried offline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from edgespike.errors import InputError

# The command line lists the models in its help, which must not wait for numpy to be imported.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.graph import Graph

MODELS = {
    "fashion_s3nn": "single-step spiking net, trained with the synaptic penalty",
    "fashion_maqd": "ternary weights and activations of 4 states",
    "fashion_rnn": "recurrent net on the rows of an image, pruned from 128 units to 42",
}
"""Name and description of each shipped model. The log of its training is in the same folder."""

DEFAULT = "fashion_s3nn"
IMAGES = "fashion_test_200.npz"


def file_name(name: str) -> str:
    """Return the name of a shipped model's file in this package."""
    return f"{name}.safetensors"


def shipped_model(name: str = DEFAULT) -> Graph:
    """Load the graph of a net that was trained on Fashion-MNIST.

    Parameters
    ----------
    name
        One of :data:`MODELS`.

    Raises
    ------
    InputError
        No model of this name is shipped.
    """
    from edgespike.graph import load_graph

    if name not in MODELS:
        raise InputError(f"no model {name!r} is shipped; there are {', '.join(MODELS)}")
    with resources.as_file(resources.files(__name__) / file_name(name)) as path:
        return load_graph(path)


def shipped_images(name: str = DEFAULT) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load 200 test images of Fashion-MNIST (MIT licence, Zalando SE).

    Parameters
    ----------
    name
        One of :data:`MODELS`, which decides the shape.

    Returns
    -------
    images, labels
        uint8 ``(200, 1, 28, 28)``, or ``(200, 28, 28)`` (steps and features) for a recurrent
        model; and int64 ``(200,)``.

    Raises
    ------
    InputError
        No model of this name is shipped.
    """
    import numpy as np

    from edgespike.data.sequences import as_sequences

    model = shipped_model(name)
    with (
        resources.as_file(resources.files(__name__) / IMAGES) as path,
        np.load(path, allow_pickle=False) as file,
    ):
        images, labels = file["images"], file["labels"].astype(np.int64)
    if model.is_recurrent:
        images = as_sequences(images, model.steps)
    return images, labels


def write_files(folder: Path, name: str = DEFAULT) -> None:
    """Write a model and its images to a new folder, as the files that commands take.

    Raises
    ------
    InputError
        No model of this name is shipped.
    WriteError
        The folder exists and is not empty, or cannot be written.
    """
    import numpy as np

    from edgespike.graph import save_graph
    from edgespike.storage.files import new_folder

    model = shipped_model(name)
    images, labels = shipped_images(name)
    with new_folder(folder) as temporary:
        save_graph(model, temporary / "model.safetensors")
        np.save(temporary / "images.npy", images)
        np.save(temporary / "labels.npy", labels)
