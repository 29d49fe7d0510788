"""From a trained checkpoint on disk to a graph."""

from __future__ import annotations

from pathlib import Path

from edgespike.converters import convert
from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph


def load_checkpoint(path: Path) -> Graph:
    """Build the net of a checkpoint and convert it.

    The graph's name, and with it its hash, comes from the content and not from the path: it is
    ``name`` of the checkpoint's metadata, or "model".

    Raises
    ------
    EnvironmentMissingError
        torch or accelerate is not installed.
    FileFormatError
        The checkpoint is damaged or foreign.
    UnsupportedError
        The net cannot be converted exactly.
    GraphError
        The name in the metadata is none that a graph may have.
    """
    try:
        from edgespike.nn.checkpoint import load_model
    except EnvironmentMissingError as error:
        raise EnvironmentMissingError(
            f"{path} is a trained checkpoint: {error}, or convert it where they are and use the "
            "graph file"
        ) from None
    model, spec, metadata = load_model(path)
    return convert(model, spec.input_shape, name=str(metadata.get("name", "model")))
