"""Choose units and their reconstruction by one of the methods that keep whole units."""

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
    """Spectral pruning, and the methods it is compared with at the same number of weights.

    The first five keep whole units and return a smaller layer of the same kind; the last three keep
    all units and return sparse or factored weights.
    """

    SPECTRAL = "spectral"
    """Exact greedy choice by the objective, with reconstruction (arXiv 2105.10832)."""
    SPECTRAL_BARE = "spectral-bare"
    """The same choice without reconstruction: the weights of the other units are dropped."""
    LEVERAGE = "leverage"
    """Units drawn by their leverage scores, with reconstruction."""
    RANDOM = "random"
    """Units drawn uniformly, with reconstruction."""
    RANDOM_BARE = "random-bare"
    """Units drawn uniformly, without reconstruction."""
    MAGNITUDE = "magnitude"
    """The smallest individual weights are set to zero."""
    LOW_RANK = "low-rank"
    """The rank of the recurrent matrices, and of those between stacked layers, is lowered."""
    COLUMNS = "columns"
    """The smallest columns of such matrices are set to zero."""

    @property
    def keeps_units(self) -> bool:
        """Whether the layer becomes smaller, instead of its weights sparse or factored."""
        return self not in (Method.MAGNITUDE, Method.LOW_RANK, Method.COLUMNS)

    @property
    def reconstructs(self) -> bool:
        """Whether dropped units are estimated from the kept ones."""
        return self in (Method.SPECTRAL, Method.LEVERAGE, Method.RANDOM)


@dataclass(frozen=True)
class Options:
    """Settings that the methods leave open.

    Not all details of the papers are known: those that are a choice are fields here.

    Attributes
    ----------
    objective
        Weights of the three losses by which spectral pruning chooses; those of the paper are not
        known.
    lam
        ``lambda`` of the leverage scores, as a multiple of a unit's mean energy, ``Tr S / units``.
    regularise
        Reconstruct with the penalties ``tau_j = lambda * kept units * q_j`` instead of by plain
        least squares.
    seed
        Seed of random choices.
    magnitude_scope
        Which weights compete in magnitude pruning: "all" of the pruned layers, or those of "each"
        matrix, so that every matrix keeps the same share.
    matrices
        Which matrices low rank and columns change: the "recurrent" ones and those between stacked
        layers, or "all", which adds those of the input and of the readout. Where these alone exceed
        the budget, only "all" can meet it.
    column_norm
        Norm by which columns are compared: 1 for the sum of magnitudes, 2 for the Euclidean norm.
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
    """Units among which a choice is made: those of a layer, or of one of its directions.

    Attributes
    ----------
    name
        Name in messages and reports.
    covariance
        ``S`` of the units' states: (units, units).
    output
        ``W_o``, the weights of the readout or the next layer: (any number, units).
    recurrent
        ``W_h``: (gates * units, units), one gate after another; None without recurrence.
    """

    name: str
    covariance: NDArray[np.float64]
    output: NDArray[np.float64]
    recurrent: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        """The number of units."""
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
    """What the kept units leave out, as shares of the mean squares before pruning.

    Attributes
    ----------
    states
        The input loss, over all units: ``E |h - A h[J]|^2 / E |h|^2``.
    output
        The output loss, over what the readout or the next layer takes from the units.
    recurrent
        The loss over what the kept units take from all units one step later.
    """

    states: float
    output: float
    recurrent: float | None


@dataclass(frozen=True)
class Choice:
    """Kept units, and how all units are estimated from them.

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
        """Return what the choice leaves out of a group."""

        def share(rows: NDArray[np.float64] | None) -> float:
            nothing = np.zeros_like(self.estimate)
            whole = loss(group.covariance, self.units, nothing, rows)
            return self.root_loss(group, rows) ** 2 / whole if whole else 0.0

        rows = group.recurrent_rows(self.units)
        return Losses(share(None), share(group.output), None if rows is None else share(rows))


def greedy_choice(group: Group, options: Options, keep: int | None = None) -> Greedy:
    """Choose units greedily by the objective: ``keep`` of them, or all if None."""
    objective = options.objective.matrix(group.size, group.output, group.recurrent)
    keep = group.size if keep is None else keep
    penalties = _penalties(group.covariance, keep, options) if options.regularise else None
    return greedy(group.covariance, keep, objective, penalties)


def choose(
    group: Group, keep: int, method: Method = Method.SPECTRAL, options: Options | None = None
) -> Choice:
    """Choose units, and how all units are estimated from them.

    Parameters
    ----------
    group
        The units.
    keep
        Number of units to keep, from 1 to all.
    method
        A method that keeps whole units.
    options
        Settings that the method leaves open.

    Raises
    ------
    InputError
        ``keep`` is out of range, the covariance is invalid, or the method keeps all units.
    """
    if not method.keeps_units:
        raise InputError(
            f"method {method.value} keeps all units, so there are none to choose; use "
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
