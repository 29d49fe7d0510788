"""Graph files written by hand: any description and tensors, under a right checksum."""

from __future__ import annotations

import json
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import save

from edgespike.graph import files

NODE = {"name": "input", "op": "input", "inputs": [], "shape": [3], "low": 0, "high": 1, "scale": 1}


def hostile(description: object, tensors: dict[str, NDArray[Any]] | None = None) -> bytes:
    """Make a file with a right checksum around any description and tensors."""
    tensors = tensors or {}
    text = json.dumps(description)
    content = {"description": text, "sha256": files._digest(text, tensors)}
    return bytes(save(tensors, {files.GRAPH_KEY: json.dumps(content)}))


def described(*nodes: object, **changes: object) -> dict[str, object]:
    return {"version": 3, "name": "g", "steps": 1, "nodes": [*nodes], **changes}


def node(name: str, op: str, *inputs: str, **entries: object) -> dict[str, object]:
    return {"name": name, "op": op, "inputs": [*inputs], **entries}


def every(*shape: int) -> dict[str, object]:
    return {"shape": [*shape], "every": 1}


def bits(*shape: int) -> dict[str, object]:
    return {"shape": [*shape], "low": 0, "step": 1, "states": 2}
