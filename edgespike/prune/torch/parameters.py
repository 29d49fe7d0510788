"""Read a module's parameters in float64, and replace them with smaller ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def array(parameter: Tensor) -> NDArray[np.float64]:
    """Return a parameter or buffer as float64."""
    values: NDArray[np.float64] = parameter.detach().to("cpu", torch.float64).numpy()
    return values


def replace(module: nn.Module, name: str, values: NDArray[np.float64]) -> None:
    """Replace a module's parameter or buffer; its type, device and requires_grad are kept."""
    old = getattr(module, name)
    new = torch.from_numpy(np.ascontiguousarray(values)).to(old.device, old.dtype)
    if isinstance(old, nn.Parameter):
        new = nn.Parameter(new, requires_grad=old.requires_grad)
    setattr(module, name, new)
