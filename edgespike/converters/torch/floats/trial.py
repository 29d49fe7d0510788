"""A trial of a module beside the net that was read from it: what tracing cannot see shows here.

``torch.export`` keeps what one run did: with numbers that Python computed (the size of the batch, a
counter, a clock, numpy's random numbers) as constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgespike.converters.torch.floats.exporting import as_its_own
from edgespike.converters.torch.floats.reading import WHAT, Reading
from edgespike.converters.torch.floats.wrappers import parts_unwrapped
from edgespike.errors import UnsupportedError, shown
from edgespike.evaluation_mode import evaluating
from edgespike.floats.net import Reals
from edgespike.floats.run import answers, input_shape

if TYPE_CHECKING:
    from torch import nn

_SAMPLES = (3, 5)
"""How many samples the module is run on, once each: other numbers than it was read with."""

_MOST = 0.01
"""By which share of the largest answer two runs may differ; a wrong net is further off."""

_MOST_OF_NARROW = 0.2
"""The same for parameters of less than 32 bits."""


def try_module(module: nn.Module, read: Reading, shape: tuple[int, ...]) -> None:
    """Run a module twice, on random samples, and compare its answers with the net's.

    Parameters
    ----------
    shape
        Of one sample, as the module takes it.

    Raises
    ------
    UnsupportedError
        The module does not run, or answers otherwise.
    """
    samples = np.random.default_rng(0).normal(size=(max(_SAMPLES), *shape))
    first, second = (_answers(module, samples[:number]) for number in _SAMPLES)
    most = _MOST_OF_NARROW if _is_narrow(module) else _MOST
    if not _near(second[: len(first)], first, most):
        raise UnsupportedError(
            WHAT,
            [
                f"forward answers otherwise on {_SAMPLES[1]} samples than on {_SAMPLES[0]} of "
                "them: it depends on the number of samples, on chance, on time, or on the calls "
                "before; leave that out in evaluation mode"
            ],
        )
    steps = (read.net.steps,) if read.net.steps > 1 else ()
    given = samples.reshape(-1, *steps, *input_shape(read.net))
    if not read.left_out and not _near(answers(read.net, given), second, most):
        raise UnsupportedError(
            WHAT,
            [
                "forward answers otherwise than the net that was read from it with 2 samples: it "
                "depends on the number of samples, on chance, on time, or on the calls before; "
                "leave that out in evaluation mode"
            ],
        )


def _answers(module: nn.Module, samples: Reals) -> Reals:
    import torch

    try:
        with evaluating(module), parts_unwrapped(module), torch.no_grad():
            given: Any = module(as_its_own(module, torch.tensor(samples)))
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        raise UnsupportedError(
            WHAT,
            [
                f"the model runs on 2 samples, but not on {len(samples)}: it raises "
                f"{type(error).__name__}: {shown(str(error))}; let forward take any number"
            ],
        ) from error
    while not isinstance(given, torch.Tensor):  # one answer, in a tuple or under a name
        given = next(iter(given.values() if isinstance(given, dict) else given))
    if given.shape[:1] != (len(samples),):
        raise UnsupportedError(
            WHAT,
            [
                f"forward answers on {len(samples)} samples with {tuple(given.shape)}; it must "
                "give (samples, classes) for any number of samples"
            ],
        )
    return np.asarray(given.double().cpu().numpy()).reshape(len(samples), -1)


def _is_narrow(module: nn.Module) -> bool:
    return any(x.is_floating_point() and x.element_size() < 4 for x in module.parameters())


def _near(found: Reals, expected: Reals, most: float) -> bool:
    apart = float(np.abs(found - expected).max(initial=0))
    return apart <= most * float(np.abs(expected).max(initial=0)) + 1e-30
