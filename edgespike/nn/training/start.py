"""The trained net from which a training run starts instead of random weights."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from edgespike.errors import InputError
from edgespike.nn.nets.checkpoint import load_float32_model
from edgespike.nn.nets.from_float import from_float
from edgespike.nn.nets.from_relu import from_relu, is_relu_net_of
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import AnySpec, NetSpec

SEEN_SAMPLES = 1000
"""Number of training samples by which the levels of a quantised net are placed."""

SEEN_IMAGES = 256
"""Number of training images by which a net of spikes or levels is fitted to a float net."""

_OF_LEVELS = {"activation", "activation_states", "input_states", "bits", "readout_bits"}
"""Entries that may differ between a float recurrent net and its net of levels."""


@dataclass(frozen=True)
class Start:
    """A net to start from, and the metadata of its checkpoint."""

    model: nn.Sequential
    metadata: dict[str, Any]


def load_start(path: Path, net: AnySpec, samples: NDArray[Any]) -> Start:
    """Read a checkpoint as the start of a run.

    Parameters
    ----------
    path
        A trained net of the same description; or, if ``net`` is a net of spikes or levels, the
        float net of its shape.
    net
        Description of the net to be trained.
    samples
        Training samples, (samples, *input_shape).

    Raises
    ------
    InputError
        The checkpoint holds a different net; the entries that differ are named.
    FileFormatError
        The checkpoint is damaged or foreign.
    """
    model, found, metadata = load_float32_model(path)
    # How the weights were drawn no longer matters.
    other = _differences(found, net) - {"initialisation"}
    if not other:
        return Start(model, metadata)
    if isinstance(net, RecurrentSpec) and _is_float_net_of(net, other):
        sequences = torch.from_numpy(samples[:SEEN_SAMPLES])
        return Start(from_float(model, net, sequences), metadata)
    if isinstance(net, NetSpec) and isinstance(found, NetSpec) and is_relu_net_of(found, net):
        images = torch.from_numpy(samples[:SEEN_IMAGES])
        return Start(from_relu(model, net, images), metadata)
    way_out = (
        "start from one of the same description, or, for a net of spikes or levels, from its float "
        "net"
    )
    if isinstance(net, RecurrentSpec) and (net.cell, net.activation) == ("gru", "levels"):
        way_out = (
            "start from one of the same description, or from random weights: the reset gate of "
            "torch's GRU acts after the recurrent matrix, so its weights mean something else"
        )
    raise InputError(
        f"{path} does not hold the net that the recipe trains (different: "
        f"{', '.join(sorted(other))}); {way_out}"
    )


def _is_float_net_of(net: RecurrentSpec, other: set[str]) -> bool:
    levels = (net.cell, net.activation) == ("rnn", "levels")
    return levels and "activation" in other and other <= _OF_LEVELS


def _differences(found: AnySpec, wanted: AnySpec) -> set[str]:
    if type(found) is not type(wanted):
        return {"kind"}
    names = {field.name for field in fields(wanted)}
    return {name for name in names if getattr(found, name) != getattr(wanted, name)}
