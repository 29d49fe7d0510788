"""From trained models to graphs. Each converter is imported only when it is asked for.

Third parties add a converter through an entry point of the group ``edgespike.converters`` that
names a :class:`edgespike.converters.base.Converter`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike import plugins
from edgespike.errors import EdgespikeError, FileFormatError, UnsupportedError

if TYPE_CHECKING:
    from edgespike.converters.base import Converter
    from edgespike.graph import Graph

BUILT_IN: dict[str, str] = {"torch": "edgespike.converters.torch.modules:CONVERTER"}
"""The converters of this package: name to ``module:attribute``."""


class DuplicateConverterError(EdgespikeError):
    """Two packages offer a converter of one name."""


def convert(model: Any, input_shape: tuple[int, ...], *, name: str = "model") -> Graph:
    """Turn a trained model into a graph.

    Parameters
    ----------
    model
        A torch module made of layers that a converter knows.
    input_shape
        Shape of one sample: ``(features,)`` or ``(channels, height, width)``; of a recurrent net
        ``(steps, features)``.
    name
        The graph's name: letters, digits, ``_``, ``-`` and ``.``.

    Raises
    ------
    UnsupportedError
        No converter takes the model, the shape is no tuple of whole numbers, or the model holds
        parts that cannot be converted exactly; all of them are listed.
    GraphError
        The name is none that a graph may have, or a sum in the model may exceed every limit.
    DuplicateConverterError
        Two packages offer a converter of one name.
    """
    if not isinstance(input_shape, tuple) or not all(isinstance(n, int) for n in input_shape):
        raise UnsupportedError(
            "model cannot be converted",
            [
                f"input_shape is {input_shape!r}; give the shape of one sample as a tuple, "
                "(features,) or (channels, height, width)"
            ],
        )
    for converter in _converters():
        if converter.accepts(model):
            return converter.convert(model, input_shape, name)
    known = ", ".join(f"{converter.name} ({converter.summary})" for converter in _converters())
    raise UnsupportedError(
        "model cannot be converted", [f"no converter takes a {type(model).__qualname__}; {known}"]
    )


def load(path: Path | str) -> Graph:
    """Return the graph of a graph file, or of a trained checkpoint, which is converted.

    Raises
    ------
    FileFormatError
        The file is neither, or damaged.
    UnsupportedError
        The checkpoint's net cannot be converted exactly.
    GraphError
        The file holds no valid graph, or the name in the checkpoint's metadata is none.
    EnvironmentMissingError
        The file is a checkpoint, and torch is not installed.
    DuplicateConverterError
        The file is a checkpoint, and two packages offer a converter of one name.
    """
    from edgespike.graph.files import CHECKPOINT_KEY, GRAPH_KEY, load_graph, read_metadata

    path = Path(path)
    metadata = read_metadata(path)
    if GRAPH_KEY in metadata:
        return load_graph(path)
    if CHECKPOINT_KEY in metadata:
        from edgespike.converters.torch.checkpoints import load_checkpoint

        return load_checkpoint(path)
    raise FileFormatError(
        f"{path} is a safetensors file, but neither an edgespike graph nor a trained model; "
        "make one with 'edgespike train' or 'edgespike convert'"
    )


def _converters() -> Iterator[Converter]:
    from edgespike.converters.base import Converter

    for source in plugins.sources("converter", BUILT_IN, DuplicateConverterError).values():
        yield plugins.load(source, Converter)
