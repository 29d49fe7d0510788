"""What a converter is: what it recognises, what it is told, and how it makes a graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.labels import LABELS, label_faults
from edgespike.converters.result import Conversion
from edgespike.errors import UnsupportedError, shown
from edgespike.graph import Graph
from edgespike.quantise.result import Quantised

_SHAPE = "give the shape of one sample as a tuple, (features,) or (channels, height, width)"

CHOICES = {
    "reset": (
        "zero",
        "subtract",
        "none",
        "zero-same-step",
        "zero-next-step",
        "subtract-same-step",
        "subtract-next-step",
    ),
    "producer": (
        "snntorch",
        "norse",
        "sinabs",
        "spikingjelly",
        "rockpool",
        "lava-dl",
        "nengo",
    ),
    "readout": ("count", "potential", "max", "sum"),
    "rounding": ("tflm", "xnnpack", "builtin-x86"),
}
"""What options of a few choices may say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvertOptions:
    """What a user says about a model beside the model itself; ``None`` where nothing was said.

    Parameters
    ----------
    input_shape
        Shape of one sample: ``(features,)`` or ``(channels, height, width)``; for a recurrent net
        ``(steps, features)``.
    input_range
        Smallest and largest whole number of an input.
    input_scale
        Real value of one unit of the input.
    bits
        Bits of a weight, for a source that holds floats.
    levels
        Levels of an activation, 0 included, for a source that holds floats: 2 to 256.
    calibrate
        Samples ``(samples, *input_shape)`` or ``(samples, steps, *input_shape)`` from which a
        converter derives scales.
    labels
        The class of each of these samples, ``(samples,)``, for the accuracy before and after.
    steps
        Steps of a sample, where the source does not state them.
    dt
        Time step in seconds, where the source is in continuous time.
    reset
        What firing does to a potential, where the source does not state it: "zero", "subtract" or
        "none", at the time that the source's simulator does it; or with the time, as in
        "zero-same-step" and "subtract-next-step", see :class:`edgespike.graph.ResetTime`.
    producer
        The simulator that wrote a file which does not say so: "snntorch", "norse", "sinabs",
        "spikingjelly", "rockpool", "lava-dl", "nengo".
    readout
        What answers, where the source does not state it: "count" (spikes of the last neurons),
        "potential" (their potential at the last step), "max" (its largest over the steps), "sum"
        (its sum).
    rounding
        Whose arithmetic a graph of 8-bit numbers has, where the runtimes of one file round
        differently: "tflm" (TFLite Micro's reference kernels), "xnnpack" (LiteRT's default) or
        "builtin-x86" (LiteRT's own kernels on x86).
    weights
        File of the parameters of a model that is given as source code: a state_dict that
        ``torch.load`` reads without unpickling code, or a safetensors file.
    name
        The graph's name: letters, digits, ``_``, ``-`` and ``.``.
    class_names
        The name of each class, in the order of the model's answers. Every converter takes it, as
        it does the two that follow.
    mean, std
        What the model's data was standardised with in training, ``(x - mean) / std``: one number,
        or one for each feature of a sequence or channel of an image. The graph then has a scaling,
        and is given measured numbers. Of ``mean`` and ``std`` one may be left out, 0 and 1.

    Raises
    ------
    UnsupportedError
        Lists every value that no converter can use.
    """

    input_shape: tuple[int, ...] | None = None
    input_range: tuple[int, int] | None = None
    input_scale: float | None = None
    bits: int | None = None
    levels: int | None = None
    calibrate: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    steps: int | None = None
    dt: float | None = None
    reset: str | None = None
    producer: str | None = None
    readout: str | None = None
    rounding: str | None = None
    weights: Path | None = None
    name: str | None = None
    class_names: tuple[str, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise UnsupportedError("model cannot be converted", faults)

    def _faults(self) -> Iterator[str]:
        shape, limits, scale = self.input_shape, self.input_range, self.input_scale
        if shape is not None and not _whole_numbers(shape):
            yield f"input_shape is {shown(shape)}; {_SHAPE}"
        if limits is not None and not (
            _whole_numbers(limits) and len(limits) == 2 and limits[0] <= limits[1]
        ):
            yield f"input_range is {shown(limits)}; give two whole numbers (low, high), low <= high"
        if scale is not None and not (_is_number(scale) and 0 < scale <= sys.float_info.max):
            yield f"input_scale is {shown(scale)}; give a positive finite number"
        if self.bits is not None and not (_whole_numbers((self.bits,)) and self.bits >= 1):
            yield f"bits is {shown(self.bits)}; give a whole number of at least 1"
        if self.levels is not None and not (
            _whole_numbers((self.levels,)) and 2 <= self.levels <= 256
        ):
            yield f"levels is {shown(self.levels)}; give a whole number in 2..256"
        if self.steps is not None and not (_whole_numbers((self.steps,)) and self.steps >= 1):
            yield f"steps is {shown(self.steps)}; give a whole number of at least 1"
        if self.dt is not None and not (_is_number(self.dt) and 0 < self.dt <= sys.float_info.max):
            yield f"dt is {shown(self.dt)}; give a positive finite number of seconds"
        for option, choices in CHOICES.items():
            value = getattr(self, option)
            if value is not None and value not in choices:
                yield f"{option} is {shown(value)}; give one of {', '.join(choices)}"
        if self.labels is not None and not (
            isinstance(self.labels, np.ndarray)
            and self.labels.dtype.kind in "iu"
            and self.labels.ndim == 1
        ):
            yield f"labels is {shown(self.labels)}; give one whole number for each sample"
        if self.calibrate is not None and not (
            isinstance(self.calibrate, np.ndarray)
            and self.calibrate.dtype.kind in "biuf"
            and self.calibrate.ndim > 1
            and self.calibrate.size
        ):
            yield f"calibrate is {shown(self.calibrate)}; give numbers (samples, *input_shape)"
        yield from label_faults(self)

    @property
    def given(self) -> dict[str, Any]:
        """The options that are not ``None``, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def required_shape(self, source: str) -> tuple[int, ...]:
        """Return ``input_shape``, which a source does not state.

        Parameters
        ----------
        source
            What does not state it: "a torch module".

        Raises
        ------
        UnsupportedError
            It was not given.
        """
        if self.input_shape is None:
            raise UnsupportedError(
                "model cannot be converted",
                [
                    f"input_shape is missing, and {source} does not state it; {_SHAPE}; "
                    "on the command line, edgespike convert --input-shape 1,28,28"
                ],
            )
        return self.input_shape

    def graph_name(self, default: str = "model") -> str:
        """Return the name that the user chose for the graph, or a default."""
        return default if self.name is None else self.name


OPTIONS = tuple(field.name for field in fields(ConvertOptions))
"""The names of all options."""


@dataclass(frozen=True, kw_only=True)
class Converter:
    """A way from one kind of trained model, or one file format, to a graph.

    Parameters
    ----------
    name
        Of the framework or format.
    summary
        One line: what it takes.
    convert
        Makes a graph of a source and the options. The source is a model that ``accepts`` took, or
        the path of a file that ``recognises`` did. A source of real numbers gives what
        :func:`edgespike.quantise.quantise` returns. A `Conversion` says besides what was found
        and assumed, and can compare the source with the graph. Raises ``UnsupportedError`` that
        lists everything that cannot be converted.
    options
        Names of the options that it uses. Any other is refused before ``convert`` is called, except
        names of classes, mean and standard deviation, which its graph gets afterwards.
    accepts
        Returns how far a model is from what the converter is made for, see :func:`class_distance`,
        or ``None`` if the converter does not take it; the nearest converter gets the model. A
        converter that goes by what a model contains subtracts 0.5 from the distance, and so
        precedes those that take any model of that class. It must not import the framework: a model
        of it can only exist if something else has. ``None`` if the converter takes no models.
    recognises
        Returns whether a file has the format, from its first `HEAD_BYTES` bytes, or, where these do
        not suffice, from more of its content; the suffix does not count. ``None`` if the converter
        takes no files.

    Raises
    ------
    ValueError
        An option does not exist, or the converter takes neither models nor files.
    """

    name: str
    summary: str
    convert: Callable[[Any, ConvertOptions], Graph | Quantised | Conversion]
    options: tuple[str, ...] = ()
    accepts: Callable[[Any], float | None] | None = None
    recognises: Callable[[bytes, Path], bool] | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.options) - set(OPTIONS)):
            raise ValueError(
                f"converter {self.name!r} declares options {', '.join(unknown)}; "
                f"there are {', '.join(OPTIONS)}"
            )
        if self.accepts is None and self.recognises is None:
            raise ValueError(f"converter {self.name!r} has neither accepts nor recognises")

    def check_options(self, options: ConvertOptions) -> None:
        """Raise ``UnsupportedError`` that lists the options that this converter does not use."""
        takes = ", ".join(self.options) or "no options"
        unused = [
            f"{name} is {_in_words(value)}, but converter {self.name!r} does not use it; it takes "
            f"{takes}, so leave {name} out"
            for name, value in options.given.items()
            if name not in (*self.options, *LABELS)
        ]
        if unused:
            raise UnsupportedError("model cannot be converted with these options", unused)


def _in_words(value: object) -> str:
    """Return an option's value for a message; of an array, that it is given."""
    return "given" if isinstance(value, np.ndarray) else shown(value)


HEAD_BYTES = 4096
"""How many of a file's first bytes a converter sees."""


def class_distance(model: Any, name: str) -> int | None:
    """Return how far up in the hierarchy of a model's class a base stands.

    The class is given by name, so that its framework need not be imported.

    Parameters
    ----------
    name
        Of the base, in full: ``torch.nn.modules.module.Module``.

    Returns
    -------
    distance
        The place in the method resolution order: 0 for the class itself; ``None`` if the model is
        not an instance.
    """
    bases = [f"{base.__module__}.{base.__qualname__}" for base in type(model).__mro__]
    return bases.index(name) if name in bases else None


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(number, int) and not isinstance(number, bool) for number in value
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
