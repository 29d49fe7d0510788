"""Data sets as plain numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping

from edgespike.data import cifar10, fashion_mnist, mnist
from edgespike.data.base import DataSet
from edgespike.data.sequences import Sequences

DATA_SETS: Mapping[str, DataSet] = {
    "fashion_mnist": fashion_mnist,
    "mnist": mnist,
    "fashion_mnist_rows": Sequences(fashion_mnist, steps=28),
    "cifar10": cifar10,
}
"""The data sets that a recipe can name."""
