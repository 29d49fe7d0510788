"""Data sets as plain numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping

from edgespike.data import cifar10, fashion_mnist, mnist
from edgespike.data.base import DataSet

DATA_SETS: Mapping[str, DataSet] = {
    "fashion_mnist": fashion_mnist,
    "mnist": mnist,
    "cifar10": cifar10,
}
"""The data sets that a recipe can name."""
