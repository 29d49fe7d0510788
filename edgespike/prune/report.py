"""What pruning a model changed, as numbers and as text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.prune.choosing.choice import Losses, Method
from edgespike.prune.choosing.spectrum import Spectrum


@dataclass(frozen=True)
class GroupReport:
    """Which units of a layer, or of one of its directions, were kept.

    Attributes
    ----------
    name
        The layer.
    units_before
        Number of units before pruning.
    kept
        Indices of the kept units, ascending: their order after pruning.
    spectrum
        That of the states before pruning.
    losses
        What the kept units leave out; None for methods that keep all units.
    """

    name: str
    units_before: int
    kept: NDArray[np.int64]
    spectrum: Spectrum
    losses: Losses | None

    @property
    def units_after(self) -> int:
        """The number of units that are kept."""
        return len(self.kept)


@dataclass(frozen=True)
class Report:
    """What pruning a model changed.

    Attributes
    ----------
    method
        The method of pruning.
    groups
        The units.
    weights_before, weights_after
        Number of weights in the matrices that lead into and out of pruned units, without biases.
        After magnitude pruning the non-zero ones, after lowering ranks those of the factors.
    bounds
        For each readout of vanilla recurrent layers, by its name, the largest possible change of
        its outputs: the root mean square over all samples and steps of the data, for sequences
        that start from a state of 0; see `edgespike.prune.choosing.bound`. Gated layers are not
        covered, nor are activations between a layer and the next one.
    """

    method: Method
    groups: tuple[GroupReport, ...]
    weights_before: int
    weights_after: int
    bounds: dict[str, float]

    def __str__(self) -> str:
        lines = [
            f"{self.method.value}: {self.weights_after:,} of {self.weights_before:,} weights left"
        ]
        for group in self.groups:
            lines.append(f"{group.name}: {group.units_after} of {group.units_before} units")
            if group.losses:
                lines.append(f"  left out: {_losses(group.losses)}")
            lines.append(f"  {group.spectrum.summary()}")
        lines += [
            f"{name}: outputs change by at most {bound:.4g}, root mean square"
            for name, bound in self.bounds.items()
        ]
        return "\n".join(lines)


def _losses(losses: Losses) -> str:
    parts = {"states": losses.states, "output": losses.output, "recurrent": losses.recurrent}
    return ", ".join(f"{name} {value:.3g}" for name, value in parts.items() if value is not None)
