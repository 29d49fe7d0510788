"""snnTorch's neurons as neurons in real numbers; semantics read in the source of snntorch 1.0.0.

With ``r`` whether the potential that was kept exceeds the threshold ``th``, and ``x`` the input of
a step, ``Leaky`` computes ``m = beta * m + x - r * th`` ("subtract") or, with "zero",
``m = beta * (1 - r) * m + x``, and fires where ``m > th``. The other classes reset to zero after
the input is added. With ``reset_delay=False`` a neuron that fires and was not just reset is reset
at once; after "subtract" one that still exceeds its threshold must exceed twice that to fire.

``Alpha`` without a reset has two currents, ``e = alpha * e + x`` and ``i = beta * i - x``. It
fires where ``m = tau * (e + i) > th``, with ``tau = 1 + log(alpha) / (log(beta) - log(alpha))``.
An input ``k`` steps ago counts ``alpha**k - beta**k`` in ``e + i``. In the potential ``v`` of a
``Synaptic`` it counts ``(alpha**(k + 1) - beta**(k + 1)) / (alpha - beta)``. So ``m`` is
``tau * (alpha - beta)`` times ``v`` of the step before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgespike.converters.spiking.layers import bias_of, conv2d, reals
from edgespike.converters.spiking.simulator import Neurons, RefusedError
from edgespike.errors import shown
from edgespike.floats.net import FloatConv2d, FloatDense, FloatNeurons, Reals
from edgespike.floats.run import along
from edgespike.graph import Comparison, Reset, ResetTime
from edgespike.simulator_neurons import is_one_to_one

Shape = tuple[int, ...]

STATES: Mapping[str, tuple[str, ...]] = {
    "Leaky": ("mem",),
    "Lapicque": ("mem",),
    "Synaptic": ("syn", "mem"),
    "RLeaky": ("spk", "mem"),
    "RSynaptic": ("spk", "syn", "mem"),
    "Alpha": ("syn_exc", "syn_inh", "mem"),
}
"""The states of each class, in the order of its ``forward``'s arguments."""

REFUSED: Mapping[str, str] = {
    "SLSTM": "has gates that multiply values; use RSynaptic",
    "SConv2dLSTM": "has gates that multiply values; use RLeaky with conv2d_channels",
    "LeakyParallel": "clips its potential at zero and never resets it; use Leaky, step by step",
    "StateLeaky": "computes all steps at once; use Leaky with reset_mechanism='none'",
    "LinearLeaky": "computes all steps at once; use Linear and Leaky, reset_mechanism='none'",
    "AssociativeLeaky": "multiplies values of a step; use Leaky",
    "DeltaLeaky": "fires on differences; use Leaky",
}
"""Classes that are refused, and what comes nearest."""


def class_name(neuron: Any) -> str | None:
    """Return the name of the class of snnTorch that a module has; ``None`` if it has another."""
    kind = type(neuron)
    ours = kind.__module__.startswith("snntorch.")
    return kind.__qualname__ if ours and kind.__qualname__ in {*STATES, *REFUSED} else None


def state_names(neuron: Any) -> tuple[str, ...]:
    """Return the names of a neuron layer's states."""
    for base in type(neuron).__mro__:
        if base.__module__.startswith("snntorch.") and base.__qualname__ in STATES:
            return STATES[base.__qualname__]
    return ()


def clear(neuron: Any) -> None:
    """Set a neuron layer's states to zeros of no shape, as before its first call."""
    import torch

    for name in state_names(neuron):
        state = getattr(neuron, name)
        if isinstance(state, torch.Tensor):
            setattr(neuron, name, torch.zeros(0, dtype=state.dtype, device=state.device))


def check(neuron: Any) -> None:
    """Raise :class:`RefusedError`, which lists what of a neuron layer has no exact form."""
    name = class_name(neuron)
    if name is None:
        raise RefusedError(
            f"is a {type(neuron).__qualname__}, a class of its own; use one of "
            f"{', '.join(supported())}"
        )
    if name in REFUSED:
        raise RefusedError(f"is {name}, which {REFUSED[name]}")
    if faults := [*_faults(neuron, name)]:
        raise RefusedError(*faults)


def read(neuron: Any, shape: Shape) -> Neurons:
    """Read a neuron layer of snnTorch.

    Parameters
    ----------
    shape
        Of its input, without samples.

    Raises
    ------
    RefusedError
        Lists what has no exact form.
    """
    check(neuron)
    name = type(neuron).__qualname__
    if name == "Alpha":
        return _alpha(neuron, shape)
    reset = Reset(neuron.reset_mechanism)
    delayed = getattr(neuron, "reset_delay", True)
    beta, gain = _lapicque(neuron) if name == "Lapicque" else (neuron.beta.clamp(0, 1), None)
    op = FloatNeurons(
        threshold=each(neuron.threshold, shape, "threshold"),
        beta=each(beta, shape, "beta"),
        alpha=each(neuron.alpha.clamp(0, 1), shape, "alpha") if "syn" in STATES[name] else None,
        gain=None if gain is None else each(gain, shape, "R and C"),
        reset=reset,
        reset_time=_reset_time(name, reset, delayed),
        comparison=Comparison.GREATER,
    )
    _check_threshold(op.threshold)
    if op.beta.min() < 0 or op.beta.max() > 1:
        raise RefusedError(
            f"keeps {op.beta.min():g}..{op.beta.max():g} of its potential a step; it must be 0..1"
        )
    factor = float(neuron.graded_spikes_factor)
    recurrent = _recurrent(neuron, shape) if "spk" in STATES[name] else None
    return Neurons(op, factor, recurrent, delayed or reset is Reset.NONE)


def _check_threshold(threshold: Reals) -> None:
    if (bad := threshold.min()) <= 0:
        raise RefusedError(f"has a threshold of {bad:g}; a threshold must be positive")


def _alpha(neuron: Any, shape: Shape) -> Neurons:
    """Read an Alpha: a Synaptic of another threshold, whose spikes come a step later."""
    alpha, beta = (
        each(x.clamp(0, 1), shape, "alpha and beta") for x in (neuron.alpha, neuron.beta)
    )
    threshold = each(neuron.threshold, shape, "threshold")
    _check_threshold(threshold)
    ndim = max(alpha.ndim, beta.ndim, threshold.ndim)
    of_alpha, of_beta, of_threshold = (along(x, ndim) for x in (alpha, beta, threshold))
    if (of_alpha <= of_beta).any():
        raise RefusedError("has an alpha that is not larger than its beta; it must be")
    with np.errstate(divide="ignore"):  # snnTorch computes with the infinite logarithm, too
        logs = np.log(of_alpha), np.log(of_beta)
    tau = 1 + logs[0] / (logs[1] - logs[0])
    op = FloatNeurons(
        threshold=np.asarray(of_threshold / (tau * (of_alpha - of_beta)), np.float64),
        beta=beta,
        alpha=alpha,
        reset=Reset.NONE,
        reset_time=ResetTime.SAME_STEP,
        comparison=Comparison.GREATER,
    )
    return Neurons(op, float(neuron.graded_spikes_factor), is_late=True)


def supported() -> tuple[str, ...]:
    """Return the names of the classes that are supported."""
    return tuple(name for name in STATES if name not in REFUSED)


def _reset_time(name: str, reset: Reset, delayed: bool) -> ResetTime:
    if reset is Reset.NONE:
        return ResetTime.SAME_STEP
    if delayed:
        at_once = name == "Leaky" and reset is Reset.ZERO
        return ResetTime.SAME_STEP if at_once else ResetTime.NEXT_STEP
    return ResetTime("same_step_raised") if reset is Reset.SUBTRACT else ResetTime.SAME_STEP


def _lapicque(neuron: Any) -> tuple[Any, Any]:
    """Return what is kept and the gain of a Lapicque, which is no ``beta``: 1 - dt/RC and dt/C."""
    kept = 1 - neuron.time_step / (neuron.R * neuron.C)
    return kept, neuron.R * (1 / (neuron.R * neuron.C)) * neuron.time_step


def _faults(neuron: Any, name: str) -> Iterator[str]:
    if neuron.inhibition:
        yield (
            "has inhibition=True: only the neuron with the largest potential fires, which no graph "
            "can say; use inhibition=False"
        )
    if neuron.state_quant:
        yield (
            "has a state_quant, which rounds its states; leave it out: edgespike rounds by itself"
        )
    if not _is_step(neuron):
        yield (
            "has a spike_grad that does not give 1 above zero and 0 elsewhere; use one of "
            "snntorch.surrogate"
        )
    if neuron.graded_spikes_factor.numel() != 1 or float(neuron.graded_spikes_factor) == 0:
        yield (
            f"has graded_spikes_factor {shown(neuron.graded_spikes_factor.tolist())}; give one "
            "number other than 0"
        )
    if name == "Alpha" and neuron.reset_mechanism != "none":
        yield (
            f"is Alpha with reset_mechanism {neuron.reset_mechanism!r}, which clears two currents "
            "at once, as no graph can; use reset_mechanism='none', or Synaptic"
        )
    if name == "RSynaptic" and not (neuron.reset_delay or neuron.reset_mechanism == "none"):
        yield (
            "is RSynaptic with reset_delay=False, which snntorch 1.0.0 computes as True, or fails "
            "with init_hidden; use reset_delay=True"
        )
    expected = {"subtract": "_base_sub", "zero": "_base_zero", "none": "_base_int"}
    function = getattr(neuron.state_function, "__name__", "")
    if function != expected[neuron.reset_mechanism] or int(neuron.reset_mechanism_val) != list(
        expected
    ).index(neuron.reset_mechanism):
        yield (
            f"has reset_mechanism {neuron.reset_mechanism!r}, but another one when it was made; "
            "make it with that one"
        )


def _is_step(neuron: Any) -> bool:
    """Return whether a surrogate fires exactly above zero, seen on numbers around it."""
    import torch

    dtype = neuron.threshold.dtype if neuron.threshold.is_floating_point() else torch.float32
    tiny = torch.finfo(dtype).tiny
    probe = torch.tensor([-1e30, -1.0, -1e-6, -tiny, 0.0, tiny, 1e-6, 0.5, 1.0, 1e30], dtype=dtype)
    with torch.no_grad():
        fired = neuron.spike_grad(probe)
    return bool((fired == (probe > 0)).all())


def each(value: Any, shape: Shape, name: str) -> Reals:
    """Return a parameter for each channel, or for each neuron where that differs.

    Parameters
    ----------
    value
        A tensor that broadcasts over ``(samples, *shape)``.
    """
    values = reals(value)
    try:
        whole = np.broadcast_to(values, (1, *shape))[0]
    except ValueError:
        raise RefusedError(
            f"has a {name} of shape {values.shape} for neurons of shape {shape}; give one number, "
            "or one for each channel or neuron"
        ) from None
    channels = whole.reshape(shape[0], -1)
    if (channels == channels[:, :1]).all():
        return np.ascontiguousarray(channels[:, 0])
    return np.ascontiguousarray(whole)


def _recurrent(neuron: Any, shape: Shape) -> FloatDense | FloatConv2d:
    from torch import nn

    layer = neuron.recurrent
    if type(layer) is nn.Linear:
        return FloatDense(reals(layer.weight), bias_of(layer, len(layer.weight)))
    if type(layer) is nn.Conv2d:
        made = conv2d(layer, shape)
        assert isinstance(made, FloatConv2d)
        return made
    if not is_one_to_one(layer):
        raise RefusedError(f"has a recurrent {type(layer).__qualname__}; use Linear or Conv2d")
    weights = each(layer.V, shape, "V")
    if len(shape) == 1:
        return FloatDense(np.diag(weights), np.zeros(len(weights)))
    if weights.shape != shape[:1]:
        raise RefusedError("has a V for each neuron of a map; give one for each channel")
    kernel = weights[:, None, None, None]
    return FloatConv2d(kernel, np.zeros(len(weights)), groups=len(weights))
