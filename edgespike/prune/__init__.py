"""Spectral pruning: fewer hidden units, and weights that make up for the dropped ones.

Units are chosen by the covariance of the hidden states, and a reconstruction of the dropped units
is folded into the remaining weights (arXiv 2105.10832). Choice, reconstruction, spectrum and error
bound are numpy only; `prune` and `gather` take torch models and need the extra ``train``.

    from edgespike.prune import prune

    pruned = prune(model, loader, keep=42)
    print(pruned.report)

A name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.extras import import_late

if TYPE_CHECKING:
    from edgespike.prune.choosing.choice import Choice, Group, Losses, Method, Options, choose
    from edgespike.prune.choosing.covariance import Covariance
    from edgespike.prune.choosing.reconstruction import embedding, loss, reconstruct
    from edgespike.prune.choosing.selection import (
        Greedy,
        Objective,
        at_random,
        by_leverage,
        greedy,
    )
    from edgespike.prune.choosing.spectrum import Spectrum
    from edgespike.prune.report import GroupReport, Report
    from edgespike.prune.torch.gathering import Gathered, gather
    from edgespike.prune.torch.pruning import Pruned, prune

_HOMES = {
    "Choice": "edgespike.prune.choosing.choice",
    "Covariance": "edgespike.prune.choosing.covariance",
    "Gathered": "edgespike.prune.torch.gathering",
    "Greedy": "edgespike.prune.choosing.selection",
    "Group": "edgespike.prune.choosing.choice",
    "GroupReport": "edgespike.prune.report",
    "Losses": "edgespike.prune.choosing.choice",
    "Method": "edgespike.prune.choosing.choice",
    "Objective": "edgespike.prune.choosing.selection",
    "Options": "edgespike.prune.choosing.choice",
    "Pruned": "edgespike.prune.torch.pruning",
    "Report": "edgespike.prune.report",
    "Spectrum": "edgespike.prune.choosing.spectrum",
    "at_random": "edgespike.prune.choosing.selection",
    "by_leverage": "edgespike.prune.choosing.selection",
    "choose": "edgespike.prune.choosing.choice",
    "embedding": "edgespike.prune.choosing.reconstruction",
    "gather": "edgespike.prune.torch.gathering",
    "greedy": "edgespike.prune.choosing.selection",
    "loss": "edgespike.prune.choosing.reconstruction",
    "prune": "edgespike.prune.torch.pruning",
    "reconstruct": "edgespike.prune.choosing.reconstruction",
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
    return import_late(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
