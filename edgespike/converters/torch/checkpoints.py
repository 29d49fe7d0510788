"""From a trained checkpoint on disk to a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.torch.modules import convert_module
from edgespike.errors import EnvironmentMissingError, FileFormatError, GraphError, shown
from edgespike.graph import Graph, Scaling

if TYPE_CHECKING:
    from torch import nn

    from edgespike.converters.torch.agreement import LayerAgreement


def convert_checkpoint(path: Path, options: ConvertOptions) -> Graph:
    """Build the net of a checkpoint and convert it.

    Unless the options name the graph, its name, and with it its hash, comes from the content and
    not from the path: it is ``name`` in the checkpoint's metadata, or "model".

    Names of classes and the scaling of the input, where training recorded them, are those of the
    graph.

    Raises
    ------
    EnvironmentMissingError
        torch is not installed.
    FileFormatError
        The file is damaged, not a checkpoint, or names classes or a scaling that do not fit.
    UnsupportedError
        The net cannot be converted exactly.
    GraphError
        A graph may not have this name.
    """
    model, shape, metadata = _load_model(path)
    graph = convert_module(model, shape, options.graph_name(_name(metadata)))
    labels = _labels(path, metadata)
    try:
        return replace(graph, **labels) if labels else graph
    except GraphError as error:
        raise FileFormatError(f"model {path} names its data wrongly: {error}") from None


def check_checkpoint(path: Path, samples: NDArray[Any]) -> list[LayerAgreement]:
    """Compare the net of a checkpoint with its graph, neuron by neuron.

    See :func:`edgespike.converters.torch.agreement.agreement`; it raises what `convert_checkpoint`
    does.

    Parameters
    ----------
    samples
        Whole numbers ``(samples, steps, *shape)``, as the graph takes them.
    """
    model, shape, _ = _load_model(path)
    from edgespike.converters.torch.agreement import agreement

    # The samples of a feed-forward net have no axis of steps.
    return agreement(model, shape, samples.reshape(len(samples), *shape))


def _name(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("name", "model"))


def _labels(path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the graph's names of classes and scaling that a checkpoint's metadata holds."""
    labels: dict[str, Any] = {}
    if "class_names" in metadata:
        names = metadata["class_names"]
        labels["class_names"] = tuple(names) if isinstance(names, list) else names
    if "scaling" in metadata:
        table = metadata["scaling"]
        if not isinstance(table, dict) or table.keys() != {"offset", "step"}:
            raise FileFormatError(
                f"model {path} holds the scaling {shown(table)}, expected a table of offset and "
                "step; get or train it again"
            )
        try:
            labels["scaling"] = Scaling(table["offset"], table["step"])
        except GraphError as error:
            raise FileFormatError(f"model {path}: {error}; get or train it again") from None
    return labels


def _load_model(path: Path) -> tuple[nn.Module, tuple[int, ...], dict[str, Any]]:
    try:
        from edgespike.nn.nets.checkpoint import load_model
    except EnvironmentMissingError as error:
        raise EnvironmentMissingError(
            f"{path} is a trained checkpoint: {error}, or convert it where it is installed and use "
            "the graph file"
        ) from None
    model, spec, metadata = load_model(path)
    return model, spec.input_shape, metadata
