"""From a torch module to the list of operators that it calls on a batch of two samples."""

from __future__ import annotations

import contextlib
import inspect
import io
import linecache
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike.converters.torch.floats.values import BATCH
from edgespike.converters.torch.floats.wrappers import parts_unwrapped
from edgespike.errors import UnsupportedError, shown
from edgespike.evaluation_mode import evaluating

if TYPE_CHECKING:
    from torch import Tensor, fx, nn

_MESSAGE = 200
"""How many characters of an error's message are shown."""

_CONTROL_FLOW = (
    "GuardOnDataDependentSymNode",
    "UncapturedHigherOrderOpError",
    "DataDependentOutputException",
    "UserError",
)


@dataclass(frozen=True, eq=False)
class Exported:
    """The calls that a module makes.

    Parameters
    ----------
    nodes
        In the order of execution, without the output.
    answers
        What ``forward`` returns.
    changed
        Buffers that ``forward`` changes.
    tensors
        Parameters, buffers and constants, by the name of their placeholder.
    input
        Name of the placeholder of the samples.
    attribute
        Returns what else the calls take, by its name: the branches of a ``torch.cond``.
    """

    nodes: tuple[fx.Node, ...]
    answers: tuple[Any, ...]
    changed: tuple[str, ...]
    tensors: Mapping[str, Any]
    input: str
    attribute: Callable[[str], Any]


def exported(module: nn.Module, shape: tuple[int, ...]) -> Exported:
    """Run a module in evaluation mode on samples without values, and record its calls.

    Parameters
    ----------
    shape
        Of one sample, as the module takes it, without the axis of the batch.

    Raises
    ------
    UnsupportedError
        The module does not run on such samples, or what it calls depends on their values.
    """
    import torch

    if several := _inputs(module):
        raise UnsupportedError("model cannot be converted", [several])
    samples = as_its_own(module, _zeros(shape))
    with evaluating(module), parts_unwrapped(module), torch.no_grad(), _silent():
        try:
            program = torch.export.export(module, (samples,), strict=False)
            program = program.run_decompositions({})
        except (Exception, SystemExit) as error:  # whatever a user's code raises
            raise UnsupportedError(
                "model cannot be converted", [_why(error, samples.shape)]
            ) from error
    return _read(program)


def _zeros(shape: tuple[int, ...]) -> Tensor:
    import torch

    try:
        return torch.zeros((BATCH, *shape))
    except (RuntimeError, TypeError) as error:
        raise UnsupportedError(
            "model cannot be converted",
            [
                f"input_shape is {shown(shape)}, and {BATCH} such samples cannot be held in "
                "memory; give the shape of one sample"
            ],
        ) from error


def as_its_own(module: nn.Module, samples: Tensor) -> Tensor:
    """Return samples in the number type, and on the device, of a module's parameters."""
    first = next((each for each in module.parameters() if each.is_floating_point()), None)
    return samples.float() if first is None else samples.to(first)


def _inputs(module: nn.Module) -> str | None:
    """Return why a module cannot be called with samples alone, if so."""
    parameters = inspect.signature(module.forward).parameters.values()
    needed = [
        each.name
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if len(needed) == 1 or (not needed and parameters):
        return None
    return (
        f"forward takes {len(needed)} inputs ({', '.join(needed)}); a graph has one, so give a "
        "module whose forward takes one tensor of samples, and makes the others of it"
    )


def _read(program: Any) -> Exported:
    tensors, inputs = {}, []
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "USER_INPUT":
            inputs.append(spec.arg.name)
        elif spec.target in program.state_dict:
            tensors[spec.arg.name] = program.state_dict[spec.target]
        else:
            tensors[spec.arg.name] = program.constants[spec.target]
    inner = program.graph_module
    *nodes, output = program.graph.nodes
    outputs = list(zip(program.graph_signature.output_specs, output.args[0], strict=True))
    return Exported(
        tuple(nodes),
        # A changed input is given too, but not to the caller.
        tuple(value for spec, value in outputs if spec.kind.name == "USER_OUTPUT"),
        tuple(str(spec.target) for spec, _ in outputs if spec.kind.name == "BUFFER_MUTATION"),
        tensors,
        inputs[0],
        lambda name: getattr(inner, name),
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep torch's own remarks, and what a user's ``forward`` prints, from the user's answer."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.CRITICAL)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _why(error: BaseException, shape: tuple[int, ...]) -> str:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    place = _place(error)
    if kinds.intersection(_CONTROL_FLOW) or "cond_true" in str(error):
        return (
            f"{place} decides by values of the sample what is computed, and a graph computes the "
            "same for every sample; use operations on whole tensors, such as relu or max, or "
            "decide by shapes"
        )
    message = (str(error).strip() or "without a message").splitlines()[0][:_MESSAGE].rstrip(".")
    return (
        f"the model does not run on {BATCH} samples, shape {tuple(shape)}: {place} raises "
        f"{type(error).__name__}: {message}; forward must take one tensor (samples, "
        "*input_shape) of any number of samples, so give the input_shape of one sample, or fix "
        "forward"
    )


def _place(error: BaseException) -> str:
    """Return the last line of the user's own code in an error's stack."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if foreign(frame.filename)
    ]
    if not frames:
        return "forward"
    frame = frames[-1]
    line = frame.line or linecache.getline(frame.filename, frame.lineno or 0)
    return f"{Path(frame.filename).name}:{frame.lineno} ({line.strip()[:60]})"


def foreign(filename: str) -> bool:
    """Return whether a file of code belongs neither to torch, nor to Python, nor to edgespike."""
    import torch

    path = Path(filename)
    ours = (Path(torch.__file__).parent, Path(__file__).parents[3])
    standard = path.is_relative_to(Path(os.__file__).parent) and "site-packages" not in path.parts
    return not standard and not any(path.is_relative_to(home) for home in ours)
