"""From a trained checkpoint on disk to a graph."""

from __future__ import annotations

import re
from pathlib import Path

from edgespike.converters import convert
from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph


def load_checkpoint(path: Path) -> Graph:
    """Build the net of a checkpoint and convert it; the graph is named after the file.

    Raises
    ------
    EnvironmentMissingError
        torch is not installed.
    FileFormatError
        The checkpoint is damaged or foreign.
    UnsupportedError
        The net cannot be converted exactly.
    """
    try:
        from edgespike.nn.checkpoint import load_model
    except ImportError as error:
        raise EnvironmentMissingError(
            f"{path} is a trained checkpoint, and reading it needs torch ({error}); "
            "install edgespike[train], or convert it where torch is and use the graph file"
        ) from error
    model, spec, _ = load_model(path)
    return convert(model, spec.input_shape, name=_graph_name(path))


def _graph_name(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", path.name.removesuffix(".safetensors")) or "model"
