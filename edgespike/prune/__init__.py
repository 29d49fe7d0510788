"""Spectral pruning: fewer hidden units, and weights that make up for the dropped ones.

Units are chosen by the covariance of the hidden states, and what is left is folded with a
reconstruction of the dropped units (arXiv 2105.10832). Choice, reconstruction, spectrum and error
bound are numpy; `prune` and `gather` take torch models and need the extra ``train``.

    from edgespike.prune import prune

    pruned = prune(model, loader, keep=42)
    print(pruned.report)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.prune.choosing.choice import Choice, Group, Losses, Method, Options, choose
from edgespike.prune.choosing.covariance import Covariance
from edgespike.prune.choosing.reconstruction import embedding, loss, reconstruct
from edgespike.prune.choosing.report import GroupReport, Report
from edgespike.prune.choosing.selection import Greedy, Objective, at_random, by_leverage, greedy
from edgespike.prune.choosing.spectrum import Spectrum

if TYPE_CHECKING:
    from edgespike.prune.torch.gathering import Gathered, gather
    from edgespike.prune.torch.pruning import Pruned, prune

_WITH_TORCH = {
    "Gathered": "edgespike.prune.torch.gathering",
    "Pruned": "edgespike.prune.torch.pruning",
    "gather": "edgespike.prune.torch.gathering",
    "prune": "edgespike.prune.torch.pruning",
}

__all__ = [
    "Choice",
    "Covariance",
    "Gathered",
    "Greedy",
    "Group",
    "GroupReport",
    "Losses",
    "Method",
    "Objective",
    "Options",
    "Pruned",
    "Report",
    "Spectrum",
    "at_random",
    "by_leverage",
    "choose",
    "embedding",
    "gather",
    "greedy",
    "loss",
    "prune",
    "reconstruct",
]


def __getattr__(name: str) -> object:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module 'edgespike.prune' has no attribute {name!r}")
    from importlib import import_module

    from edgespike.extras import needs_extra

    with needs_extra("train", f"edgespike.prune.{name}"):
        return getattr(import_module(_WITH_TORCH[name]), name)
