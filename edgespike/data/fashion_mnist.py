"""Fashion-MNIST (Xiao et al., arXiv 1708.07747; MIT licence): 70,000 images of 28x28 pixels.

Its files are looked for in the folder of Debian's package dataset-fashion-mnist, then in the user's
cache folder; a file that is in neither is downloaded from its authors' repository into the cache.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from edgespike.data.base import Split
from edgespike.data.idx_files import IdxFiles

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ADDRESS = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"

SHAPE = (1, 28, 28)
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# Of the uncompressed content, since distributors compress the same data differently.
SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte.gz": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}


def load(split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load the 60,000 training or the 10,000 test samples.

    Returns
    -------
    tuple
        Images, uint8, (samples, 1, 28, 28), and labels 0 to 9, int64, (samples,); `CLASSES` names
        them.

    Raises
    ------
    EnvironmentMissingError
        The data is not on this machine and cannot be downloaded.
    FileFormatError
        A file is truncated or is not the one that its authors published.
    """
    files = IdxFiles(
        name="Fashion-MNIST",
        address=ADDRESS,
        sha256=SHA256,
        folders=(DEBIAN_FOLDER,),
        cache=cache_folder(),
        other_ways="install Debian's package dataset-fashion-mnist, or put the four files of "
        f"{ADDRESS} into {cache_folder()}",
    )
    return files.load(split)


def cache_folder() -> Path:
    """Return the folder in which downloads are kept."""
    return platformdirs.user_cache_path("edgespike") / "fashion-mnist"
