"""Write data as arrays of a graph's whole numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edgespike.data.own.options import DataOptions
from edgespike.data.own.parts import OwnData, Part
from edgespike.data.own.prepared import ABOUT_FILE, NAMES_FILE
from edgespike.storage.checksums import write_checksums
from edgespike.storage.files import new_folder


def write_data(data: OwnData, options: DataOptions, folder: Path) -> list[str]:
    """Write parts, names, scaling and provenance into a new folder, whole or not at all.

    `read_data` reads the folder again, and ``--input`` takes its files.

    Returns
    -------
    list
        Names of the files.

    Raises
    ------
    WriteError
        The folder exists and is not empty, or cannot be written.
    """
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    about = {
        "options": asdict(options),
        "source": data.source,
        "class_names": data.class_names,
        "scaling": None if data.scaling is None else asdict(data.scaling),
    }
    with new_folder(folder) as temporary:
        for name, part in parts.items():
            if len(part.labels):
                _write_part(temporary, name, part)
        names = "".join(f"{each}\n" for each in data.class_names)
        (temporary / NAMES_FILE).write_bytes(names.encode())  # UTF-8 and \n on every system
        (temporary / ABOUT_FILE).write_bytes(f"{json.dumps(about, indent=2)}\n".encode())
        write_checksums(temporary)
        return sorted(path.name for path in temporary.iterdir())


def _write_part(folder: Path, name: str, part: Part) -> None:
    np.save(folder / f"{name}.npy", part.samples, allow_pickle=False)
    np.save(folder / f"{name}_labels.npy", part.labels, allow_pickle=False)
