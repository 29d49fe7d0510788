"""The moving average of a net's weights, which a recipe with averaging tests and keeps."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgespike.evaluation_mode import keeping_modes
from edgespike.nn.layers.normalise import LayerBatchNorm


class WeightAverage:
    """An exponential moving average of all parameters, with its own normalisation statistics.

    Surrogate gradients never settle: from step to step, spikes near their threshold come and go.
    Averaging the recent weights removes this noise. The averaged net's spikes are not the average
    spikes, so its normalisation statistics are measured on it by `measure_statistics`, not
    averaged.

    Parameters
    ----------
    model
        The net that is trained.
    decay
        Share of the average that is kept in a step, at least 0 and below 1; about
        ``1 / (1 - decay)`` steps are averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(model, multi_avg_fn=average)

    @property
    def model(self) -> nn.Module:
        """The net with averaged weights."""
        averaged: nn.Module = self._average.module
        return averaged

    def update(self, model: nn.Module) -> None:
        """Update the average with the weights after a step."""
        self._average.update_parameters(model)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state that is needed to continue later."""
        return dict(self._average.state_dict())

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state that `tensors` returned."""
        self._average.load_state_dict(tensors)


@torch.no_grad()
def measure_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set running means and variances to their averages over some batches of inputs.

    This is for weights on which the running statistics of training were not measured.
    """
    # Not torch's update_bn, which ignores all normalisations but torch's own.
    momenta = {
        part: part.momentum
        for part in model.modules()
        if isinstance(part, _BatchNorm | LayerBatchNorm)
    }
    if not momenta:
        return
    with keeping_modes(model):
        model.train()
        for part in momenta:
            part.reset_running_stats()
            part.momentum = None
        try:
            for batch in batches:
                model(batch)
        finally:
            for part, momentum in momenta.items():
                part.momentum = momentum
