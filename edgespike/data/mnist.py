"""MNIST (LeCun et al., Gradient-based learning applied to document recognition, 1998).

70,000 handwritten digits of 28x28 pixels. The four idx files, compressed or not, are looked for
in a folder that the caller names, then in the user's cache folder; a missing file is downloaded
into the cache from PyTorch's mirror, since the author's page no longer offers them to everyone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from edgespike.data.base import Split
from edgespike.data.idx_files import IdxFiles

ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"

SHAPE = (1, 28, 28)
CLASSES = tuple("0123456789")

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte.gz": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}


def load(split: Split, folder: Path | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load the 60,000 training or the 10,000 test samples.

    Parameters
    ----------
    split
        Which samples.
    folder
        Folder in which the files are looked for before the cache.

    Returns
    -------
    tuple
        Images, uint8, (samples, 1, 28, 28), and labels 0 to 9, int64, (samples,).

    Raises
    ------
    EnvironmentMissingError
        The data is not on this machine and cannot be downloaded.
    FileFormatError
        A file is truncated or is not the one that its authors published.
    """
    files = IdxFiles(
        name="MNIST",
        address=ADDRESS,
        sha256=SHA256,
        folders=() if folder is None else (folder,),
        cache=cache_folder(),
        other_ways=f"put its four files into {cache_folder()}, compressed or unpacked",
    )
    return files.load(split)


def cache_folder() -> Path:
    """Return the folder in which downloads are kept."""
    return platformdirs.user_cache_path("edgespike") / "mnist"
