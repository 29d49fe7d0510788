"""Damaged files, and forged ones: values changed, under a right digest where there is one."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from edgespike.graph import files as graph_files

Mutation = Callable[[bytes, random.Random], bytes]

EXTREMES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 255, 2**15, 2**31 - 1, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64, 10**400),
    *(0.5, -0.0, 1e-320, 1e300, float("nan"), float("inf")),
    *(None, True, False, "", "x" * 300, "dense", "\ud800", [], [1], {}),
    {"shape": [3], "every": 1},
)  # fmt: skip
DTYPES = ("<i1", "<u1", "<i2", "<i4", "<i8", "<f4", "<f8", "|b1")


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Change bytes anywhere, as a bad disk, a bad line or an editor does."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        place = draw.randrange(len(found) or 1)
        length = draw.choice((1, 1, 4, 64))
        match draw.randrange(6):
            case 0:
                found[place : place + 1] = bytes([draw.randrange(256)])
            case 1 if found:
                found[place] ^= 1 << draw.randrange(8)
            case 2:
                del found[place : place + length]
            case 3:
                found[place:place] = draw.randbytes(length)
            case 4:
                found[place : place + length] = bytes(length)
            case _:
                del found[place:]
    return bytes(found)


def damaged_head(content: bytes, draw: random.Random) -> bytes:
    """Change bytes near the beginning, where formats declare what follows."""
    return damaged(content[:400], draw) + content[400:]


def forged_words(content: bytes, draw: random.Random) -> bytes:
    """Change words of four bytes near an end, where flatbuffers have their tables."""
    found = bytearray(content)
    part = min(len(found), 5000)
    start = draw.choice((0, len(found) - part)) // 4 * 4
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = start + draw.randrange(part // 4) * 4
        low, high = draw.choice(((0, 10), (0, 10), (0, len(found)), (0, 2**32), (2**31, 2**31 + 1)))
        struct.pack_into("<I", found, place, draw.randrange(low, high))
    return bytes(found)


def forged_graph(content: bytes, draw: random.Random) -> bytes:
    """Change a graph file's description or arrays, and write the digest that belongs to it."""
    header = json.loads(_metadata(content)[graph_files.GRAPH_KEY])
    description, tensors = json.loads(header["description"]), dict(load(content))
    _change(description, tensors, draw)
    text = json.dumps(description)
    digest = graph_files._digest(text, tensors)
    return save(
        tensors, {graph_files.GRAPH_KEY: json.dumps({"description": text, "sha256": digest})}
    )


def forged_checkpoint(content: bytes, draw: random.Random) -> bytes:
    """Change a checkpoint's description or tensors, and write the digest that belongs to it."""
    from edgespike.nn.nets import checkpoint as checkpoint_files  # the others need no torch

    header = json.loads(_metadata(content)[graph_files.CHECKPOINT_KEY])
    description, tensors = json.loads(header["description"]), dict(load(content))
    _change(description, tensors, draw)
    text = json.dumps(description, sort_keys=True)
    digest = checkpoint_files._digest(header["format"], text, tensors)
    new = {"format": header["format"], "description": text, "sha256": digest}
    return save(tensors, {graph_files.CHECKPOINT_KEY: json.dumps(new)})


def forged_arrays(content: bytes, draw: random.Random) -> bytes:
    """Change the arrays of an ``.npz`` file, or their headers, and pack them again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(sorted(members))
    if draw.random() < 0.3:
        members[name] = damaged(members[name][:128], draw) + members[name][128:]
    elif draw.random() < 0.2:
        del members[name]
    else:
        array = np.load(io.BytesIO(members[name]))
        buffer = io.BytesIO()
        np.save(buffer, _changed_array(array, draw))
        members[name] = buffer.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(
        packed, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as to:
        for member, value in members.items():
            to.writestr(member, value)
    return packed.getvalue()


def forged_numbers(content: bytes, draw: random.Random) -> bytes:
    """Change data sets of an HDF5 file, or leave some out."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for name in draw.choices(sorted(names), k=draw.choice((1, 1, 2, 4))):
            if name not in file:
                continue
            value = file[name][()] if isinstance(file[name], h5py.Dataset) else None
            del file[name]
            if draw.random() < 0.1:
                continue
            if isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind in "iuf":
                array = np.asarray(value)
                file[name] = _changed_array(array if array.ndim else array[None], draw)
            else:
                file[name] = draw.choice([each for each in EXTREMES if _fits_hdf5(each)])
    return buffer.getvalue()


def _fits_hdf5(value: object) -> bool:
    return isinstance(value, float | bool) or (isinstance(value, int) and abs(value) < 2**63)


def forged_hdf5(content: bytes, draw: random.Random) -> bytes:
    """Change groups, arrays and texts of an HDF5 file."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        for _ in range(draw.choice((1, 1, 2, 4))):
            names: list[str] = []
            # What was changed before may not be there to be changed again.
            with contextlib.suppress(KeyError, OSError, RuntimeError, TypeError, IndexError):
                file.visit(names.append)
                _change_object(file, draw.choice(names), draw)
    return buffer.getvalue()


def _change_object(file: h5py.File, name: str, draw: random.Random) -> None:
    value = file[name]
    match draw.randrange(6):
        case 0:
            del file[name]
        case 1:
            file[
                f"{name}_{draw.randrange(3)}" if draw.random() < 0.5 else f"node/{draw.random()}"
            ] = value
        case 2 if isinstance(value, h5py.Dataset) and value.dtype.kind in "fi" and value.size:
            changed = _changed_array(np.asarray(value[()]).reshape(-1), draw)
            del file[name]
            file[name] = changed
        case 3:
            del file[name]
            file[name] = draw.choice(
                ("LIF", "CubaLI", "same", "", 0, -1, 2**62, 1e300, [1, 2], [[]])
            )
        case 4:
            del file[name]
            file[name] = h5py.SoftLink("/node") if draw.random() < 0.3 else file["node/edges"]
        case _ if isinstance(value, h5py.Dataset) and value.dtype == object and value.ndim == 2:
            pairs = value[()]
            pairs[draw.randrange(len(pairs)), draw.randrange(2)] = draw.choice(
                pairs.ravel().tolist()
            )
            value[...] = pairs


def _metadata(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length])["__metadata__"])


def _change(
    description: dict[str, Any], tensors: dict[str, NDArray[Any]], draw: random.Random
) -> None:
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        if tensors and draw.random() < 0.3:
            name = draw.choice(sorted(tensors))
            tensors[name] = _changed_array(tensors[name], draw)
            if draw.random() < 0.1:
                tensors[draw.choice((*tensors, "another"))] = tensors.pop(name)
        else:
            _change_value(description, draw)


def _change_value(value: Any, draw: random.Random) -> None:
    """Walk to a random place of nested tables and lists, and change it."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = draw.choice(keys)
    inner = value[key]
    if isinstance(inner, dict | list) and inner and draw.random() < 0.85:
        _change_value(inner, draw)
        return
    match draw.randrange(5):
        case 0:
            del value[key]
        case 1 if isinstance(inner, int) and not isinstance(inner, bool):
            value[key] = inner + draw.choice((-1, 1, 7))
        case 2:
            value[key] = [inner] * draw.choice((2, 50))
        case 3 if isinstance(value, dict):
            value[draw.choice((*value, "another"))] = inner
        case _:
            value[key] = draw.choice(EXTREMES)


def _changed_array(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    match draw.randrange(5):
        case 0:
            return array.reshape(-1)[: draw.randrange(array.size + 1)]
        case 1:
            return array[None] if draw.random() < 0.5 else array.reshape(-1)
        case 2:
            with np.errstate(all="ignore"):
                return array.astype(draw.choice(DTYPES))
        case 3:
            return np.zeros((draw.choice((0, 1, 1000)),) * draw.randrange(1, 3), array.dtype)
        case _:
            changed = array.copy()
            if changed.size:
                extreme = np.frombuffer(draw.randbytes(changed.itemsize), np.uint8)
                flat = changed.reshape(-1).view(np.uint8)
                flat[: changed.itemsize] = extreme % (2 if changed.dtype == bool else 256)
            return changed
