"""From trained models to graphs. A converter is imported only when it is needed.

Third parties add a converter through an entry point of the group ``edgespike.converters`` that
names a :class:`edgespike.converters.base.Converter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike.errors import EdgespikeError, InputError, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgespike.converters.base import ConvertOptions
    from edgespike.converters.result import Conversion
    from edgespike.graph import Graph

CONVERTERS: dict[str, str] = {
    "lava-dl": "edgespike.converters.lava_dl:CONVERTER",
    "nir": "edgespike.converters.nir:CONVERTER",
    "onnx": "edgespike.converters.onnx:CONVERTER",
    "tflite": "edgespike.converters.tflite:CONVERTER",
    "torch": "edgespike.converters.torch:CONVERTER",
    "torch-floats": "edgespike.converters.torch.floats:CONVERTER",
    "snntorch": "edgespike.converters.snntorch:CONVERTER",
    "spikingjelly": "edgespike.converters.spikingjelly:CONVERTER",
}
"""The converters of this package: name to ``module:attribute``."""


class DuplicateConverterError(EdgespikeError):
    """Two packages offer a converter of one name."""


class AmbiguousSourceError(EdgespikeError):
    """Several converters take a model or a file equally well."""


def convert(
    model: Any,
    input_shape: tuple[int, ...] | None = None,
    *,
    name: str | None = None,
    input_range: tuple[int, int] | None = None,
    input_scale: float | None = None,
    bits: int | None = None,
    levels: int | None = None,
    calibrate: NDArray[Any] | None = None,
    labels: NDArray[Any] | None = None,
    steps: int | None = None,
    dt: float | None = None,
    reset: str | None = None,
    producer: str | None = None,
    readout: str | None = None,
    rounding: str | None = None,
    weights: Path | None = None,
    class_names: Sequence[str] | None = None,
    mean: float | Sequence[float] | NDArray[Any] | None = None,
    std: float | Sequence[float] | NDArray[Any] | None = None,
) -> Graph:
    """Turn a trained model, or a file of one, into a graph.

    A model goes to the converter that is nearest to its class, a file to the one that recognises
    its first bytes. Each converter says which options it uses; any other is refused.

    Parameters
    ----------
    model
        A torch module; the path of a graph file or of a trained checkpoint; the name of a model in
        a file of Python code, "mynet.py:Net", which is run; or what a converter of another package
        takes. A module made of the layers in :mod:`edgespike.nn` becomes an equal graph; any other
        is quantised, see :func:`conversion` for what that changes.
    input_shape
        Shape of one sample, where the model does not state it: ``(features,)`` or
        ``(channels, height, width)``; for a recurrent net ``(steps, features)``.
    name
        The graph's name: letters, digits, ``_``, ``-`` and ``.``. By default the checkpoint's, or
        "model".
    input_range, input_scale, bits, levels, calibrate, labels
        As in :class:`edgespike.converters.base.ConvertOptions`, as all that follow.
    steps, dt, reset, producer, readout, rounding, weights
        As in :class:`edgespike.converters.base.ConvertOptions`.
    class_names
        The name of each class, in the order of the model's answers.
    mean, std
        What the model's data was standardised with in training, ``(x - mean) / std``: one number,
        or one for each feature or channel. The graph is then given measured numbers.

    Raises
    ------
    UnsupportedError
        No converter takes the model, an option is missing, wrong or not used, or the model holds
        parts that cannot be converted; all of them are listed.
    FileFormatError
        The file cannot be read, is damaged, or no converter recognises it.
    InputError
        The Python code cannot be run, or has no such model.
    GraphError
        A graph may not have this name, a sum in the model may exceed every limit, or the file holds
        a graph that is not valid.
    EnvironmentMissingError
        The file is a checkpoint, and torch is not installed.
    AmbiguousSourceError, DuplicateConverterError, PluginError
        Two converters take the model equally well or have the same name, or one of another package
        is broken.
    """
    from edgespike.converters.base import ConvertOptions

    options = ConvertOptions(
        input_shape=input_shape,
        name=name,
        input_range=input_range,
        input_scale=input_scale,
        bits=bits,
        levels=levels,
        calibrate=calibrate,
        labels=labels,
        steps=steps,
        dt=dt,
        reset=reset,
        producer=producer,
        readout=readout,
        rounding=rounding,
        weights=weights,
        class_names=_as_tuple(class_names),
        mean=_as_tuple(mean),
        std=_as_tuple(std),
    )
    return conversion(model, options).graph


def _as_tuple(values: Any) -> Any:
    """Return an array or a list as a tuple, and a number as a tuple of one."""
    if isinstance(values, str) or values is None:
        return values
    values = values.tolist() if hasattr(values, "tolist") else values
    values = values if isinstance(values, Iterable) else [values]
    return tuple(value.item() if hasattr(value, "item") else value for value in values)


def conversion(model: Any, options: ConvertOptions) -> Conversion:
    """Do what :func:`convert` does, and return all that is known beside the graph.

    That is which converter took the model, what was assumed, and what quantising changed, layer by
    layer.
    """
    from edgespike.converters import choosing

    if not issubclass(type(model), str | Path):  # asks nothing of the model itself
        return choosing.for_model(model).convert(model, options)
    from edgespike.converters import code

    if code.is_code(model):
        return code.convert_code(model, options)
    path = Path(model)
    return choosing.for_file(path).convert(path, options)


def load(path: Path | str) -> Graph:
    """Return the graph of a graph file, or of any file that a converter recognises.

    :func:`convert` does the same and takes options.

    Raises
    ------
    InputError
        ``path`` is not a path.
    FileFormatError, UnsupportedError, GraphError, EnvironmentMissingError
        As for :func:`convert`.
    AmbiguousSourceError, DuplicateConverterError, PluginError
        As for :func:`convert`; never for a graph file or a checkpoint.
    """
    if not isinstance(path, str | PathLike):
        raise InputError(
            f"path is {shown(path)}; give the path of a graph file or of a trained checkpoint; "
            "edgespike.convert takes models"
        )
    return convert(Path(path))
