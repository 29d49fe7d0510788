"""Which converter gets a model or a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from edgespike import plugins
from edgespike.converters import CONVERTERS, AmbiguousSourceError, DuplicateConverterError
from edgespike.converters.base import Converter, ConvertOptions
from edgespike.converters.labels import labelled
from edgespike.converters.own_files import OWN, is_safetensors, read_head
from edgespike.converters.result import Conversion
from edgespike.errors import FileFormatError, UnsupportedError
from edgespike.graph import Graph
from edgespike.graph.files import read_names
from edgespike.quantise.result import Quantised
from edgespike.storage.file_kinds import PARAMETERS, kind_of_file, only_tensors


@dataclass(frozen=True)
class Offered:
    """A converter and the package that offers it. Other packages' faults are blamed on them."""

    converter: Converter
    package: str

    def __str__(self) -> str:
        return f"{self.converter.name!r} of package {self.package}"

    def accepts(self, model: Any) -> float | None:
        """Return how far a model is from what the converter is made for, ``None`` if not taken."""
        if self.converter.accepts is None:
            return None
        with self._blamed():
            distance = self.converter.accepts(model)
            if distance is not None and not _is_distance(distance):
                raise TypeError(f"accepts returned {distance!r}, not a distance or None")
        return distance

    def recognises(self, head: bytes, path: Path) -> bool:
        """Return whether the converter reads a file."""
        if self.converter.recognises is None:
            return False
        with self._blamed():
            recognised = self.converter.recognises(head, path)
            if not isinstance(recognised, bool):
                raise TypeError(f"recognises returned {recognised!r}, not True or False")
        return recognised

    def convert(self, source: Any, options: ConvertOptions) -> Conversion:
        """Convert a source, after checking that every option is used."""
        self.converter.check_options(options)
        name, kind = self.converter.name, self.converter.summary
        with self._blamed():
            found = self.converter.convert(source, options)
            if isinstance(found, Graph):
                found = Conversion(found)
            elif isinstance(found, Quantised):
                found = Conversion(found.graph, quantised=found)
            elif not isinstance(found, Conversion):
                raise TypeError(f"it returned a {type(found).__qualname__}, not a Graph")
        if faults := list(_label_faults(options, found.graph.readout_op.classes)):
            raise UnsupportedError("model cannot be converted", faults)
        graph = labelled(found.graph, options)
        return replace(found, graph=graph, converter=name, kind=kind, model=source)

    def _blamed(self) -> AbstractContextManager[None]:
        return plugins.blaming(self.package, f"converter {self.converter.name!r}")


def _label_faults(options: ConvertOptions, classes: int) -> Iterator[str]:
    """Yield that labels are no classes of the model, which would make accuracies meaningless."""
    labels = options.labels
    if labels is not None and labels.size and (labels.min() < 0 or labels.max() >= classes):
        yield (
            f"labels go from {labels.min()} to {labels.max()}; the model's classes are "
            f"0..{classes - 1}"
        )


def _is_distance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def for_model(model: Any) -> Offered:
    """Return the converter that is nearest to a model's class."""
    offered = list(_offered())
    distances = [(found.accepts(model), found) for found in offered]
    taking = [(distance, found) for distance, found in distances if distance is not None]
    kind = type(model).__qualname__
    if not taking:
        known = _listed(found.converter for found in offered if found.converter.accepts)
        raise UnsupportedError(
            "model cannot be converted", [f"no converter takes a {kind}; there are: {known}"]
        )
    least = min(distance for distance, _ in taking)
    return _only([found for distance, found in taking if distance == least], f"a {kind}")


def for_file(path: Path) -> Offered:
    """Return the converter that recognises a file."""
    head = read_head(path)
    for own in (Offered(converter, plugins.OURS) for converter in OWN):
        if own.recognises(head, path):  # whatever else is installed
            return own
    offered = list(_offered())
    recognising = [found for found in offered if found.recognises(head, path)]
    if not recognising:
        others = [found.converter for found in offered if found.converter.recognises]
        raise FileFormatError(_unrecognised(head, path, _listed([*OWN, *others])))
    return _only(recognising, str(path))


_WAY_OUT = (
    "install a converter for it, or load or build the net as a PyTorch module in Python and give "
    "that to edgespike.convert"
)


def _unrecognised(head: bytes, path: Path, known: str) -> str:
    """Return what a file is, why no converter takes it, and what to do."""
    if is_safetensors(head):
        return only_tensors(path, read_names(path))
    if kind := kind_of_file(head):
        way_out = _WAY_OUT if kind.holds_model else "name the file of a model instead"
        if kind.may_hold_parameters:
            way_out = f"{PARAMETERS}; else {way_out}"
        return (
            f"{path} is {kind.name}, which no installed converter reads; those installed read: "
            f"{known}; {way_out}"
        )
    return (
        f"{path} ({path.stat().st_size} bytes) is neither an edgespike graph nor a trained model, "
        "nor any other file that a converter recognises by its first bytes; recognised are: "
        f"{known}; make one with 'edgespike train', or from a PyTorch module with "
        "edgespike.convert, or get the file again if it is truncated"
    )


def _offered() -> Iterator[Offered]:
    sources = plugins.sources("converter", CONVERTERS, DuplicateConverterError)
    for name, source in sources.items():
        yield Offered(plugins.load(source, Converter), plugins.package("converter", name))


def _only(found: Sequence[Offered], source: str) -> Offered:
    if len(found) > 1:
        raise AmbiguousSourceError(
            f"{source} is taken equally well by the converters "
            f"{' and '.join(str(each) for each in found)}; uninstall all of these packages but one"
        )
    return found[0]


def _listed(converters: Iterable[Converter]) -> str:
    return ", ".join(f"{each.name} ({each.summary})" for each in converters)
