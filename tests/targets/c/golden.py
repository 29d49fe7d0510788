"""The files of a tiny network's bundle as they should be: ``python -m tests.targets.c.golden``.

Run it after a change of what is written, and review the difference.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

import edgespike
from edgespike.graph import Dense, Graph, Input, Node, Readout, Scaling, Threshold

FOLDER = Path(__file__).parent / "golden"

COPIED = (
    "check/port.h",
    "check/port_host.c",
    "mcu/cortex_m.c",
    "mcu/include/math.h",
    "mcu/include/string.h",
    "mcu/port_mcu.c",
    "mcu/port_mcu.h",
    "mcu/riscv.c",
    "mcu/sections.ld",
)
"""Files that are the same for all networks: they stand among the templates as they are."""


def tiny_graph() -> Graph:
    """Return a network of two inputs, three neurons and two classes."""
    theta = np.array([[1], [3], [2]])
    nodes = (
        Node("sensors", Input((2,), 0, 3, 0.5)),
        Node(
            "hidden", Dense(np.array([[1, 2], [3, -1], [-2, 1]]), np.array([0, 1, 2])), ("sensors",)
        ),
        Node("spikes", Threshold(theta, np.array([False, False, True])), ("hidden",)),
        Node("classes", Dense(np.array([[2, -1, 0], [-1, 1, 3]]), np.array([0, -1])), ("spikes",)),
        Node("answer", Readout(np.array([0.25, 0.5])), ("classes",)),
    )
    return Graph(
        "tiny", nodes, class_names=("calm", "windy"), scaling=Scaling((1.5, -20.0), (0.5, 10.0))
    )


def write(folder: Path) -> Path:
    """Export the network as a computer without compilers for other cores does."""
    with mock.patch.object(shutil, "which", return_value=None):
        return edgespike.export(tiny_graph(), "c", folder)


def contents(folder: Path) -> dict[str, str]:
    """Return the text of each file, but for those that all bundles share, and their hashes."""
    return {
        name: path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and (name := path.relative_to(folder).as_posix()) not in (*COPIED, "SHA256SUMS")
    }


def main() -> None:
    """Write the files again."""
    with tempfile.TemporaryDirectory() as place:
        written = contents(write(Path(place) / "tiny"))
    for name in contents(FOLDER).keys() - written.keys():
        (FOLDER / name).unlink()
    for name, text in written.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
