"""The data sets of a ``.net`` file, read without following anything that leads out of it.

Only data sets that netx uses are read, each after its declared size has been compared with what
the file holds. Links to other places, data in other files and virtual data sets are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgespike.converters.lava_dl.stored import (
    LAYER_FIELDS,
    NEURON_FIELDS,
    SIMULATION_FIELDS,
    Field,
    StoredLayer,
    StoredNet,
)
from edgespike.errors import named, shown
from edgespike.storage.hdf5 import chunk_faults, opened_hdf5, outside_faults

LAYER_LIMIT = 1000
"""Most layers of a file."""

SIZE_LIMIT = 2**25
"""Most elements of one data set, and of all together."""

AXES_LIMIT = 5
"""Most axes of a data set; lava-dl writes weights of convolutions with 5."""

TEXT_LIMIT = 16
"""Most entries of a data set of texts; netx reads the first."""

MOST_COMPRESSED = 1100
"""Deflate shrinks data to 1/1032 at most. What is declared larger was never written."""

SMALL = 4096
"""Up to this many bytes, a data set may be larger than what was written."""


def holds_layers(path: Path) -> bool:
    """Return whether an HDF5 file holds a group ``layer``, from which netx reads a net.

    Raises
    ------
    EnvironmentMissingError, FileFormatError
        As for :func:`opened_hdf5`.
    """
    with opened_hdf5(path) as file:
        return file.get("layer", getclass=True, getlink=True) is not None


def read_net(path: Path) -> StoredNet:
    """Read all that netx reads of a file.

    Raises
    ------
    EnvironmentMissingError, FileFormatError
        As for :func:`opened_hdf5`.
    """
    found = StoredNet()
    with opened_hdf5(path) as file:
        reader = _Reader(found.violations)
        layers = reader.group(file, "layer")
        if layers is not None:
            found.layers = list(_layers(reader, layers))
        simulation = reader.group(file, "simulation")
        if simulation is not None:
            found.simulation = reader.fields(simulation, "simulation", SIMULATION_FIELDS)
    return found


def _layers(reader: _Reader, layers: Any) -> Iterator[StoredLayer]:
    count = len(layers)
    if not 1 <= count <= LAYER_LIMIT:
        reader.violations.append(f"layer has {count} entries; the limit is 1..{LAYER_LIMIT}")
        return
    numbers = [str(index) for index in range(count)]
    for name in sorted(set(layers) - set(numbers)):
        reader.violations.append(
            f"layer/{named(name)} is not one of the layers 0..{count - 1}; netx numbers them "
            "without gaps"
        )
    for number in numbers:
        path = f"layer/{number}"
        group = reader.group(layers, number, "layer/")
        if group is None:
            continue
        neuron = reader.group(group, "neuron", f"{path}/")
        yield StoredLayer(
            path,
            reader.fields(group, path, LAYER_FIELDS),
            None if neuron is None else reader.fields(neuron, f"{path}/neuron", NEURON_FIELDS),
        )


class _Reader:
    """Reads groups and data sets, and notes what it must not read."""

    def __init__(self, violations: list[str]) -> None:
        self.violations = violations
        self._elements = 0

    def group(self, parent: Any, name: str, place: str = "") -> Any:
        """Return a group; ``None`` if there is none, or if it is not to be read."""
        import h5py

        found = self._child(parent, name, place)
        if found is None or isinstance(found, h5py.Group):
            return found
        self.violations.append(f"{place}{name} is a data set; netx has a group of this name")
        return None

    def fields(self, group: Any, path: str, names: tuple[str, ...]) -> dict[str, Field]:
        """Return those of a group's data sets that are named."""
        import h5py

        found: dict[str, Field] = {}
        for name in names:
            child = self._child(group, name, f"{path}/")
            if child is None:
                continue
            if not isinstance(child, h5py.Dataset):
                self.violations.append(f"{path}/{name} is a group, not a data set of numbers")
                continue
            faults = list(self._faults(child, text=name == "type"))
            self.violations += [f"{path}/{name} {fault}" for fault in faults]
            if not faults:
                found[name] = _text(child) if name == "type" else np.asarray(child[()])
        return found

    def _child(self, parent: Any, name: str, place: str) -> Any:
        import h5py

        link = parent.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            self.violations.append(
                f"{place}{name} is a link to another place ({type(link).__name__}), which is not "
                "followed; write the file with the data in place"
            )
            return None
        return parent[name]

    def _faults(self, dataset: Any, *, text: bool) -> Iterator[str]:
        """Yield why a data set must not be read."""
        shape = dataset.shape
        outside = list(outside_faults(dataset))
        if outside:
            yield from outside
        elif shape is None or len(shape) > AXES_LIMIT or not math.prod(shape):
            axes = "no data" if shape is None else f"shape {shown(shape)}"
            yield f"has {axes}; give 0 to {AXES_LIMIT} axes, each of at least 1"
        elif text:
            yield from _text_faults(dataset)
        elif dataset.dtype.kind not in "biuf" or dataset.dtype.itemsize > 8:
            yield f"has data of type {shown(str(dataset.dtype))}; give whole numbers"
        else:
            yield from self._size_faults(dataset, shape)

    def _size_faults(self, dataset: Any, shape: tuple[int, ...]) -> Iterator[str]:
        size = math.prod(shape)
        declared, written = size * dataset.dtype.itemsize, dataset.id.get_storage_size()
        if self._elements + size > SIZE_LIMIT:
            yield (
                f"has shape {shape}, {size} elements after {self._elements} of other data sets; "
                f"the limit is {SIZE_LIMIT}, use fewer weights"
            )
        elif faults := list(chunk_faults(dataset)):
            yield from faults
        elif declared > MOST_COMPRESSED * written + SMALL:
            yield (
                f"has shape {shape}, {declared} bytes, of which {written} bytes were written; "
                "they cannot hold that much, get the file again"
            )
        else:
            self._elements += size


def _text_faults(dataset: Any) -> Iterator[str]:
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is None:
        yield f"has data of type {shown(str(dataset.dtype))}; give a text"
    elif dataset.size > TEXT_LIMIT:
        yield f"has {dataset.size} entries; give one text"


def _text(dataset: Any) -> str:
    """Return the first of a data set's texts, which netx reads."""
    value = dataset[()]
    first = value.flat[0] if isinstance(value, np.ndarray) else value
    return first.decode("latin-1") if isinstance(first, bytes) else str(first)
