"""``edgespike convert --check``: a source beside its graph, on samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike.cli.conversion import check_as_json, print_check
from edgespike.cli.output import print_table

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions
    from edgespike.converters.checking import SourceCheck
    from edgespike.converters.result import Conversion, PartCheck
    from edgespike.converters.torch.agreement import LayerAgreement


@dataclass(frozen=True)
class Checked:
    """How a graph compares with its source.

    Parameters
    ----------
    neurons
        Of a net of edgespike's own layers, which rounds.
    parts
        Of a source of whole numbers, which must equal the graph.
    source
        A source of real numbers.
    """

    neurons: Sequence[LayerAgreement] = ()
    parts: Sequence[PartCheck] = ()
    source: SourceCheck | None = None

    @property
    def failed(self) -> bool:
        """Whether a difference has no explanation."""
        if self.source is not None:
            return self.source.failed
        return any(layer.unexplained for layer in self.neurons) or any(
            part.different for part in self.parts
        )

    def as_json(self) -> Any:
        """Return the comparison."""
        if self.source is not None:
            return check_as_json(self.source)
        return [asdict(each) for each in self.parts or self.neurons]

    def print(self) -> None:
        """Print the comparison."""
        if self.source is not None:
            print_check(self.source)
            return
        if self.parts:
            print_table(
                ["part of the source", "node", "values ", "different "],
                [(x.path, x.node, x.values, x.different) for x in self.parts],
            )
            return
        print_table(
            ["activation", "node", "compared ", "near a tie ", "different ", "of these not near "],
            [
                (x.path, x.node, x.neurons, x.near_ties, x.different, x.unexplained)
                for x in self.neurons
            ],
        )


def refuse_check_of_graphs(model: str) -> None:
    """Refuse, before the work, to compare a graph file with the source that it no longer has."""
    from edgespike.converters import code
    from edgespike.converters.own_files import GRAPHS, read_head
    from edgespike.errors import InputError

    if code.is_code(model):
        return
    path = Path(model)
    assert GRAPHS.recognises is not None
    if GRAPHS.recognises(read_head(path), path):
        raise InputError(
            f"--check compares a source with its graph, and {model} is a graph already; leave "
            "--check out, or name a file that 'edgespike train' wrote, or the graph's other source"
        )


def checked(
    found: Conversion, options: ConvertOptions, samples_file: Path, limit: int | None
) -> Checked:
    """Run a source beside its graph, as its kind allows.

    Raises
    ------
    InputError
        The samples do not fit, or the converter runs no source.
    UnsupportedError
        This source cannot be run.
    """
    from edgespike.converters.own_files import CHECKPOINTS
    from edgespike.errors import InputError
    from edgespike.samples import read_array, read_samples

    if found.converter == CHECKPOINTS.name:
        from edgespike.converters.torch.checkpoints import check_checkpoint

        samples = read_samples(found.graph, samples_file, limit)
        return Checked(check_checkpoint(found.model, samples))
    if found.converter == "torch" and options.input_shape is not None:
        from edgespike.converters.torch.agreement import agreement

        samples = read_samples(found.graph, samples_file, limit)
        flat = samples.reshape(len(samples), *options.input_shape)
        return Checked(agreement(found.model, options.input_shape, flat))
    if found.check is not None:
        samples = read_samples(found.graph, samples_file, limit)
        return Checked(parts=found.check(samples))
    if found.quantised is None:
        raise InputError(
            f"--check runs a source beside its graph, which converter {found.converter!r} does not "
            "do; leave --check out"
        )
    from edgespike.converters.checking import check_source

    return Checked(source=check_source(found.quantised, read_array(samples_file)[:limit]))
