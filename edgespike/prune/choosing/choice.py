"""Units and their reconstruction, chosen in one of the ways that keep whole units."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.prune.choosing.checks import checked_keep
from edgespike.prune.choosing.reconstruction import embedding, loss, reconstruct
from edgespike.prune.choosing.selection import Greedy, Objective, at_random, by_leverage, greedy
from edgespike.prune.choosing.spectrum import Spectrum


class Method(str, Enum):
    """Spectral pruning, and what it is compared with at the same number of weights.

    The first five keep whole units, and give a smaller layer of the same kind; the last three keep
    all units, and give weights that are zero or factors.
    """

    SPECTRAL = "spectral"
    """Exact greedy choice by the objective, and reconstruction (arXiv 2105.10832)."""
    SPECTRAL_BARE = "spectral-bare"
    """The same choice; weights of the other units are dropped, nothing is reconstructed."""
    LEVERAGE = "leverage"
    """Units drawn by their leverage scores, and reconstruction."""
    RANDOM = "random"
    """Units drawn alike, and reconstruction."""
    RANDOM_BARE = "random-bare"
    """Units drawn alike, and nothing reconstructed."""
    MAGNITUDE = "magnitude"
    """The smallest single weights are set to zero."""
    LOW_RANK = "low-rank"
    """Matrices are lowered in rank: the recurrent ones, and those between stacked layers."""
    COLUMNS = "columns"
    """The smallest columns of such matrices are set to zero."""

    @property
    def keeps_units(self) -> bool:
        """Whether the layer gets smaller, rather than its weights sparse or factored."""
        return self not in (Method.MAGNITUDE, Method.LOW_RANK, Method.COLUMNS)

    @property
    def reconstructs(self) -> bool:
        """Whether dropped units are estimated from the kept ones."""
        return self in (Method.SPECTRAL, Method.LEVERAGE, Method.RANDOM)


@dataclass(frozen=True)
class Options:
    """What the methods leave open.

    The papers' details could not all be read: where one is a choice, it is a field here.

    Attributes
    ----------
    objective
        Weights of the three losses that spectral pruning chooses by; which ones the paper used is
        not known.
    lam
        ``lambda`` of the leverage scores, as a multiple of a unit's mean energy, ``Tr S / units``.
    regularise
        Reconstruct with the penalties ``tau_j = lambda * kept units * q_j`` instead of by plain
        least squares.
    seed
        Of what is drawn.
    magnitude_scope
        Which weights compete in magnitude pruning: "all" of the pruned layers, or those of "each"
        matrix, which then all keep the same share.
    matrices
        Which matrices low rank and columns change: the "recurrent" ones and those between stacked
        layers, or "all", those from the input and of the readout too. Where these alone exceed
        the budget, only "all" reaches it.
    column_norm
        By which norm columns are compared, the sum of magnitudes or the Euclidean one.
    """

    objective: Objective = field(default_factory=Objective)
    lam: float = 1e-3
    regularise: bool = False
    seed: int = 0
    magnitude_scope: Literal["all", "each"] = "all"
    matrices: Literal["recurrent", "all"] = "recurrent"
    column_norm: Literal[1, 2] = 2


@dataclass(frozen=True)
class Group:
    """Units that are chosen from together: a layer's, or those of one of its directions.

    Attributes
    ----------
    name
        What messages and reports call it.
    covariance
        ``S`` of the units' states: (units, units).
    output
        ``W_o``, with which the readout or the next layer takes the states: (any number, units).
    recurrent
        ``W_h``: (gates * units, units), the gates one after another; None if nothing recurs.
    """

    name: str
    covariance: NDArray[np.float64]
    output: NDArray[np.float64]
    recurrent: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.covariance)

    def recurrent_rows(self, units: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return ``W_h[J]``: the rows of the given units in every gate."""
        if self.recurrent is None:
            return None
        return self.recurrent[gate_rows(len(self.recurrent), self.size, units)]


def gate_rows(rows: int, size: int, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of units in each gate of a matrix of ``rows`` rows, ``size`` a gate."""
    starts = np.arange(0, rows, size, dtype=np.int64)
    return (starts[:, None] + units).ravel()


@dataclass(frozen=True)
class Losses:
    """What the kept units leave out, each as a share of the same mean square before pruning.

    Attributes
    ----------
    states
        The input loss: of all units, ``E |h - A h[J]|^2 / E |h|^2``.
    output
        The output loss: of what the readout or the next layer takes from them.
    recurrent
        Of what the kept units take from them a step later.
    """

    states: float
    output: float
    recurrent: float | None


@dataclass(frozen=True)
class Choice:
    """Kept units, and how all are estimated from them.

    Attributes
    ----------
    units
        ``J``, ascending.
    estimate
        ``A``: (units, kept units).
    """

    units: NDArray[np.int64]
    estimate: NDArray[np.float64]

    def root_loss(self, group: Group, rows: NDArray[np.float64] | None = None) -> float:
        """Return the root mean square of ``Z (h - A h[J])``; ``Z`` is ``rows`` or the identity."""
        return math.sqrt(loss(group.covariance, self.units, self.estimate, rows))

    def losses(self, group: Group) -> Losses:
        """Measure what is left out of a group."""

        def share(rows: NDArray[np.float64] | None) -> float:
            nothing = np.zeros_like(self.estimate)
            whole = loss(group.covariance, self.units, nothing, rows)
            return self.root_loss(group, rows) ** 2 / whole if whole else 0.0

        rows = group.recurrent_rows(self.units)
        return Losses(share(None), share(group.output), None if rows is None else share(rows))


def greedy_choice(group: Group, options: Options, keep: int | None = None) -> Greedy:
    """Choose units greedily by the objective, ``keep`` of them or all."""
    objective = options.objective.matrix(group.size, group.output, group.recurrent)
    keep = group.size if keep is None else keep
    penalties = _penalties(group.covariance, keep, options) if options.regularise else None
    return greedy(group.covariance, keep, objective, penalties)


def choose(
    group: Group, keep: int, method: Method = Method.SPECTRAL, options: Options | None = None
) -> Choice:
    """Choose units, and how the others are estimated from them.

    Parameters
    ----------
    group
        The units.
    keep
        Number of units, 1 to all.
    method
        One that keeps whole units.
    options
        What the method leaves open.

    Raises
    ------
    InputError
        ``keep`` is out of range, the covariance is not one, or the method keeps all units.
    """
    if not method.keeps_units:
        raise InputError(
            f"method {method.value} keeps all units, so that there are none to choose; it is for "
            "edgespike.prune.prune"
        )
    options = options or Options()
    covariance = group.covariance
    keep = checked_keep(keep, group.size, f"layer {group.name!r}")
    if method in (Method.SPECTRAL, Method.SPECTRAL_BARE):
        units = greedy_choice(group, options, keep).units
    elif method is Method.LEVERAGE:
        units = by_leverage(covariance, keep, _lam(covariance, options), options.seed)
    else:
        units = at_random(group.size, keep, options.seed)
    units = np.sort(units)
    if not method.reconstructs:
        return Choice(units, embedding(group.size, units))
    penalties = _penalties(covariance, keep, options)[units] if options.regularise else None
    return Choice(units, reconstruct(covariance, units, penalties))


def _lam(covariance: NDArray[np.float64], options: Options) -> float:
    energy = float(np.trace(covariance)) / len(covariance)
    return options.lam * (energy or 1.0)


def _penalties(covariance: NDArray[np.float64], keep: int, options: Options) -> NDArray[np.float64]:
    lam = _lam(covariance, options)
    return lam * keep * Spectrum(covariance).leverage(lam)
