"""Files of lava-dl, written field by field, as its ``export_hdf5`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.public_models import FOLDER

MODELS = FOLDER / "netx"


def neurons(threshold: int = 5, current: int = 4096, potential: int = 0) -> dict[str, Any]:
    return {
        "type": b"CUBA",
        "iDecay": current,
        "vDecay": potential,
        "vThMant": threshold,
        "refDelay": 1,
    }


def dense(weight: Any, neuron: Any = None, **fields: Any) -> dict[str, Any]:
    weight = np.asarray(weight, np.float32)
    kind = b"dense_rec" if "weight_rec" in fields else b"dense"
    found = {"type": np.array([kind], "S10"), "shape": [len(weight)], "weight": weight, **fields}
    return found if neuron is None else {**found, "neuron": neuron}


def conv(weight: Any, shape: Sequence[int], neuron: Any, **fields: Any) -> dict[str, Any]:
    geometry = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
    return {
        "type": np.array([b"conv"], "S10"),
        "shape": shape,
        "weight": np.asarray(weight, np.float32),
        "neuron": neuron,
        **geometry,
        **fields,
    }


def source(shape: Sequence[int], neuron: Any = None, **fields: Any) -> dict[str, Any]:
    found = {"type": np.array([b"input"], "S10"), "shape": shape, **fields}
    return found if neuron is None else {**found, "neuron": neuron}


FLATTEN = {"type": np.array([b"flatten"], "S10")}


def write(path: Path, layers: Sequence[Mapping[str, Any]], steps: int | None = None) -> Path:
    with h5py.File(path, "w") as file:
        for index, layer in enumerate(layers):
            _put(file.create_group(f"layer/{index}"), layer)
        if steps is not None:
            file["simulation/Ts"], file["simulation/tSample"] = 1, steps
    return path


def _put(group: Any, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            _put(group.create_group(name), value)
        elif value is not None:
            group[name] = value
