"""Distillation: a net learns what a trained net answers, beside the labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgespike.data import DATA_SETS
from edgespike.errors import InputError, named
from edgespike.nn.nets.checkpoint import load_float32_model
from edgespike.nn.nets.spec import AnySpec
from edgespike.storage.files import opened


def teacher_sha256(path: str) -> str:
    """Return the SHA-256 of a teacher's file.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    with opened(Path(path)) as file:
        return hashlib.sha256(file.read()).hexdigest()


def load_teacher(path: str, net: AnySpec, classes: Sequence[str] = ()) -> nn.Module:
    """Read the net that another learns from, in evaluation mode and without gradients.

    Parameters
    ----------
    path
        A checkpoint of ``edgespike train``.
    net
        Description of the net that learns.
    classes
        Names of the classes that it learns, in the order of their labels; empty if they have none.

    Raises
    ------
    InputError
        The teacher takes other inputs, or has another number of classes or other names of them.
    FileFormatError
        The checkpoint is damaged or foreign.
    """
    model, found, metadata = load_float32_model(Path(path))
    other = [
        f"{name} is {there} in the teacher, {here} in the net"
        for name, there, here in zip(_NAMES, _interface(found), _interface(net), strict=True)
        if there != here
    ]
    taught = _classes_of(metadata)
    if not other and taught and classes and taught != list(classes):
        theirs, ours = (", ".join(map(named, names)) for names in (taught, classes))
        other = [f"its classes are {theirs}, those of the data {ours}"]
    if other:
        raise InputError(f"{path} cannot teach this net: {'; '.join(other)}; name another teacher")
    return model.requires_grad_(False)


def class_names_of(data: object) -> list[str]:
    """Return the names of the classes of a known data set; empty for others."""
    return list(DATA_SETS[data].CLASSES) if isinstance(data, str) and data in DATA_SETS else []


def _classes_of(metadata: Mapping[str, Any]) -> list[Any]:
    """Return the names of the classes that a net learnt, as far as its checkpoint tells."""
    own = metadata.get("class_names")
    return own if isinstance(own, list) else class_names_of(metadata.get("recipe", {}).get("data"))


_NAMES = ("input_shape", "classes", "signed")


def _interface(net: AnySpec) -> tuple[Any, ...]:
    return tuple(getattr(net, name) for name in _NAMES)


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return how far the classes' probabilities are from the teacher's.

    It is the Kullback-Leibler divergence from the teacher's probabilities at a temperature to the
    net's, times the temperature squared, so that its gradients do not shrink with the temperature
    (Hinton et al., arXiv 1503.02531, section 2), as a mean of the batch.

    Parameters
    ----------
    logits, taught
        Of the net and of the teacher, (samples, classes).
    temperature
        By which both logits are divided, above 0.
    """
    own = functional.log_softmax(logits / temperature, dim=1)
    of_teacher = functional.log_softmax(taught / temperature, dim=1)
    divergence = functional.kl_div(own, of_teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


@torch.no_grad()
def answers_of(teacher: nn.Module, inputs: Tensor) -> Tensor:
    """Return the teacher's logits, (samples, classes)."""
    logits: Tensor = teacher(inputs)
    return logits
