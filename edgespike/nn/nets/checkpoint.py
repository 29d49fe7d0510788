"""Checkpoints: one safetensors file with a JSON description and a checksum over both.

No pickle is written or read. A model file holds the net's description and its tensors; a training
checkpoint also holds the optimiser's state, so training continues exactly where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgespike.errors import FileFormatError, shown
from edgespike.graph.files import CHECKPOINT_KEY, GRAPH_KEY, read_safetensors
from edgespike.nn.nets.models import build
from edgespike.nn.nets.spec import AnySpec, read_spec
from edgespike.storage.file_kinds import only_tensors
from edgespike.storage.files import write_atomically

MODEL = "edgespike-model-1"
TRAINING = "edgespike-training-1"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file: its tensors by name, and its description as JSON values."""

    tensors: dict[str, Tensor]
    description: dict[str, Any]


def write_checkpoint(
    path: Path, kind: str, tensors: Mapping[str, Tensor], description: Mapping[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    kind
        `MODEL` or `TRAINING`.
    """
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    text = json.dumps(description, sort_keys=True)
    header = {"format": kind, "description": text, "sha256": _digest(kind, text, arrays)}
    # One entry, because safetensors writes several in an arbitrary order: equal content gives equal
    # files.
    metadata = {CHECKPOINT_KEY: json.dumps(header)}
    write_atomically(Path(path), safetensors.numpy.save(arrays, metadata))


def read_checkpoint(path: Path, kind: str) -> Checkpoint:
    """Read a checkpoint and check that it is whole and unchanged.

    Raises
    ------
    FileFormatError
        The file cannot be read, is truncated or changed, or is not a checkpoint of this kind.
    """
    metadata, arrays = read_safetensors(Path(path))
    if GRAPH_KEY in metadata:
        raise FileFormatError(
            f"{path} is already a graph, but the checkpoint that it came from is needed; name a "
            "file that 'edgespike train' wrote"
        )
    if CHECKPOINT_KEY not in metadata:
        raise FileFormatError(only_tensors(path, arrays))
    header = _header(metadata)
    if header.get("format") != kind:
        raise FileFormatError(
            f"{path} has format {shown(header.get('format'))}, expected {kind!r}; name a file "
            "that 'edgespike train' wrote"
        )
    text = str(header.get("description"))
    if not text.isascii() or header.get("sha256") != _digest(kind, text, arrays):
        raise FileFormatError(
            f"{path} was changed after it was written: its SHA-256 does not match; "
            "get or train it again"
        )
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    description = _parsed(text)
    if not isinstance(description, dict):
        raise FileFormatError(
            f"{path} holds a description that is not a table; get or train it again"
        )
    return Checkpoint(tensors, description)


def _header(metadata: Mapping[str, str]) -> dict[str, Any]:
    header = _parsed(metadata.get(CHECKPOINT_KEY, "{}"))
    return header if isinstance(header, dict) else {}


def _parsed(text: str) -> Any:
    """Return the value of JSON text; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _digest(kind: str, description: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(f"{kind}\n{description}\n".encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_model(
    path: Path, model: nn.Module, spec: AnySpec, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a trained net.

    Parameters
    ----------
    metadata
        Further information about it, as JSON values (recipe, epoch, accuracy). ``name`` becomes
        the name of the converted graph.
    """
    description = {"spec": spec.to_table(), "metadata": dict(metadata or {})}
    write_checkpoint(path, MODEL, model.state_dict(), description)


def load_model(path: Path) -> tuple[nn.Sequential, AnySpec, dict[str, Any]]:
    """Read a trained net, in evaluation mode.

    Returns
    -------
    tuple
        The module, the description it was built from, and the metadata passed to `save_model`.

    Raises
    ------
    FileFormatError
        The file cannot be read, is truncated, changed or foreign, or its tensors do not fit its
        description.
    """
    checkpoint = read_checkpoint(path, MODEL)
    metadata = _metadata(path, checkpoint.description)
    faults: list[str] = []
    spec = read_spec(checkpoint.description.get("spec"), "spec", faults)
    if spec is None:
        raise FileFormatError(f"model {path} does not describe a net: {'; '.join(faults)}")
    try:
        # Built without memory: a description of an absurdly large net costs nothing.
        with torch.device("meta"):
            model = build(spec)
        model.load_state_dict(checkpoint.tensors, assign=True)
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(f"the tensors of model {path} do not fit its net: {error}") from None
    return model.eval(), spec, metadata


def load_float32_model(path: Path) -> tuple[nn.Sequential, AnySpec, dict[str, Any]]:
    """Read a trained net, as `load_model` does, that is to run on float32 data.

    Raises
    ------
    FileFormatError
        As for `load_model`; or the net computes in another type, or holds NaN or infinity.
    """
    model, spec, metadata = load_model(path)
    for name, tensor in model.state_dict().items():
        if tensor.dtype.is_floating_point and tensor.dtype != torch.float32:
            raise FileFormatError(
                f"model {path} holds {name} in {tensor.dtype}, expected torch.float32; save the "
                "net again after net.float()"
            )
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise FileFormatError(
                f"model {path} holds {bad} values of {name} that are not finite; train again from "
                "a state before they were lost"
            )
    return model, spec, metadata


def _metadata(path: Path, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata, checked: other commands read tables in it."""
    metadata = description.get("metadata", {})
    if not isinstance(metadata, dict) or not isinstance(metadata.get("recipe", {}), dict):
        raise FileFormatError(
            f"model {path} holds metadata, or a recipe in it, that is not a table; get or train it "
            "again"
        )
    return metadata
