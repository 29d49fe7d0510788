"""Surrogates that become narrower while a net is trained."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from edgespike.nn.layers.activation import LevelActivation
from edgespike.nn.layers.surrogates import SumOfBumps
from edgespike.nn.nets.spec import NetSpec
from edgespike.nn.training.recipe import Recipe


def alpha_of(recipe: Recipe, epoch: int) -> float | None:
    """Return the surrogates' steepness in an epoch, counted from 0; None to leave it as it is.

    It goes from the net's ``alpha`` to the recipe's ``final_alpha`` in equal ratios.
    """
    if not recipe.final_alpha or not isinstance(recipe.net, NetSpec):
        return None
    if recipe.epochs == 1:
        return recipe.final_alpha
    share = epoch / (recipe.epochs - 1)
    first = recipe.net.alpha
    return float(first * (recipe.final_alpha / first) ** share)


def set_alpha(model: nn.Module, alpha: float | None) -> None:
    """Set the steepness of all surrogates of bumps."""
    if alpha is None:
        return
    for part in model.modules():
        if isinstance(part, LevelActivation) and isinstance(part.surrogate, SumOfBumps):
            part.surrogate = replace(part.surrogate, alpha=alpha)
