"""Distillation: a net learns what a trained net answers, beside the labels."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgespike.errors import InputError
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


def load_teacher(path: str, net: AnySpec) -> nn.Module:
    """Read the net that another learns from, in evaluation mode and without gradients.

    Parameters
    ----------
    path
        A checkpoint of ``edgespike train``.
    net
        Description of the net that learns.

    Raises
    ------
    InputError
        The teacher takes other inputs, or has another number of classes.
    FileFormatError
        The checkpoint is damaged or foreign.
    """
    model, found, _ = load_float32_model(Path(path))
    other = [
        f"{name} is {there} in the teacher, {here} in the net"
        for name, there, here in zip(_NAMES, _interface(found), _interface(net), strict=True)
        if there != here
    ]
    if other:
        raise InputError(f"{path} cannot teach this net: {'; '.join(other)}; name another teacher")
    return model.requires_grad_(False)


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
