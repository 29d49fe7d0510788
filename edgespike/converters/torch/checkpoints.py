"""From a trained checkpoint on disk to a graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.torch.modules import convert_module
from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph

if TYPE_CHECKING:
    from torch import nn

    from edgespike.converters.torch.agreement import LayerAgreement


def convert_checkpoint(path: Path, options: ConvertOptions) -> Graph:
    """Build the net of a checkpoint and convert it.

    Unless the options name the graph, its name, and with it its hash, comes from the content and
    not from the path: it is ``name`` in the checkpoint's metadata, or "model".

    Raises
    ------
    EnvironmentMissingError
        torch is not installed.
    FileFormatError
        The file is damaged, or not a checkpoint.
    UnsupportedError
        The net cannot be converted exactly.
    GraphError
        A graph may not have this name.
    """
    model, shape, name = _load_model(path)
    return convert_module(model, shape, options.graph_name(name))


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


def _load_model(path: Path) -> tuple[nn.Module, tuple[int, ...], str]:
    try:
        from edgespike.nn.nets.checkpoint import load_model
    except EnvironmentMissingError as error:
        raise EnvironmentMissingError(
            f"{path} is a trained checkpoint: {error}, or convert it where it is installed and use "
            "the graph file"
        ) from None
    model, spec, metadata = load_model(path)
    return model, spec.input_shape, str(metadata.get("name", "model"))
