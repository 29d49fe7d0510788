"""Prune a torch model: gather, choose, cut and report."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from edgespike.errors import InputError, UnsupportedError
from edgespike.evaluation_mode import evaluating
from edgespike.prune.choosing.checks import checked_keep
from edgespike.prune.choosing.choice import Choice, Group, Method, Options, choose, greedy_choice
from edgespike.prune.choosing.reconstruction import embedding
from edgespike.prune.choosing.spectrum import Spectrum, check_tolerance
from edgespike.prune.report import GroupReport, Report
from edgespike.prune.torch.gathering import Gathered, Inputs, gather
from edgespike.prune.torch.rivals import Limited, drop_columns, lower_rank, sparsify
from edgespike.prune.torch.structure import Names, Structure, find

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Pruned(Generic[AnyModule]):
    """A pruned model and what pruning changed.

    Attributes
    ----------
    model
        A new model of the same classes; the original is unchanged.
    report
        Units, weights, losses, bounds and spectra.
    limited
        For methods that keep all units: call it after each step of an optimiser, so that
        fine-tuning keeps the number of weights.
    """

    model: AnyModule
    report: Report
    limited: Limited | None = None


def prune(
    model: AnyModule,
    data: Iterable[Any] | Gathered,
    keep: int | Mapping[str, int] | None = None,
    *,
    tolerance: float | None = None,
    method: Method | str = Method.SPECTRAL,
    layers: Names | None = None,
    options: Options | None = None,
    inputs: Inputs | None = None,
) -> Pruned[AnyModule]:
    """Prune the units of a model's recurrent layers, or of its hidden layers if it has none.

    The reconstruction of the dropped units is folded into the weights that take the layer's values
    (those of the layer itself, the next one and the readout): see `edgespike.prune.torch.recurrent`
    and `edgespike.prune.torch.feedforward`. All layers and directions of one module keep the same
    number of units, so it remains a module of its class. Nothing is trained; fine-tune afterwards.

    Parameters
    ----------
    model
        A model that contains nn.RNN, nn.GRU or nn.LSTM, or an nn.Sequential of dense and
        convolution layers.
    data
        A data loader, iterated over once (see `edgespike.prune.gather`), or what `gather` returned.
    keep
        Number of units of every module, or of each module by name.
    tolerance
        Instead of ``keep``: each module keeps the fewest units with which spectral pruning leaves
        out at most this share of the objective, in each of its layers and directions. From 0 to
        below 1.
    method
        See `Method`. Methods that keep all units leave at most as many weights as pruning to the
        same number of units would.
    layers
        Layers to prune; all if None. See `edgespike.prune.torch.structure.find`.
    options
        Settings that the methods leave open.
    inputs
        Takes a batch of ``data`` and returns the argument of the model.

    Raises
    ------
    UnsupportedError
        The model has nothing that can be pruned, or uses the values of a pruned layer in an
        unknown way.
    InputError
        An argument is out of range, or the data is not finite.
    """
    chosen, options = known_method(method), options or Options()
    structure = find(model, layers)
    keeps = _checked_extent(keep, tolerance, structure.sizes)
    gathered = data if isinstance(data, Gathered) else gather(model, data, layers, inputs)
    groups = structure.groups(gathered.covariances)
    if len({layer.name for layer in structure.recurrent}) > 1:
        _check_apart(model, layers, groups, gathered.example)
    if tolerance is not None:
        keeps = {name: _needed(own, tolerance, options) for name, own in groups.items()}
    request = _Request(model, layers, chosen, options, gathered)
    every = {group.name: (group, keeps[name]) for name, own in groups.items() for group in own}
    if chosen.keeps_units:
        return _prune_units(request, every)
    return _prune_weights(request, every)


@dataclass(frozen=True)
class _Request(Generic[AnyModule]):
    """The checked arguments of a call."""

    model: AnyModule
    layers: Names | None
    method: Method
    options: Options
    gathered: Gathered

    def copy(self) -> tuple[AnyModule, Structure]:
        model = copy.deepcopy(self.model)
        return model, find(model, self.layers)


_Every = Mapping[str, "tuple[Group, int]"]
"""Each group, and how many units it keeps."""


def _prune_units(request: _Request[AnyModule], every: _Every) -> Pruned[AnyModule]:
    model, structure = request.copy()
    before = structure.weights()
    groups = {name: group for name, (group, _) in every.items()}
    choices = {
        name: choose(group, keep, request.method, request.options)
        for name, (group, keep) in every.items()
    }
    bounds = {
        chain.readout_name: bound
        for chain in structure.chains
        if (bound := chain.bound(groups, choices, request.gathered.steps)) is not None
    }
    structure.cut(choices)
    _check_runs(model, request.gathered.example)
    reports = tuple(_group_report(group, choices[name]) for name, group in groups.items())
    return Pruned(model, Report(request.method, reports, before, structure.weights(), bounds))


def _prune_weights(request: _Request[AnyModule], every: _Every) -> Pruned[AnyModule]:
    _, smaller = request.copy()  # cut only to count the weights that fewer units would leave
    smaller.cut({name: _first_units(group, keep) for name, (group, keep) in every.items()})
    model, structure = request.copy()
    before = structure.weights()
    limited = _limit(structure, smaller.weights(), request)
    reports = tuple(_group_report(group, None) for group, _ in every.values())
    after = limited.weights
    return Pruned(model, Report(request.method, reports, before, after, {}), limited)


def _first_units(group: Group, keep: int) -> Choice:
    """Choose the first units: the number of weights left does not depend on which."""
    units = np.arange(keep)
    return Choice(units, embedding(group.size, units))


def _limit(structure: Structure, budget: int, request: _Request[AnyModule]) -> Limited:
    """Prune weights so that at most ``budget`` are left."""
    if request.method is Method.MAGNITUDE:
        return sparsify(structure.matrices(), budget, request.options.magnitude_scope)
    inner = structure.inner_matrices()
    matrices = structure.matrices() if request.options.matrices == "all" else inner
    if not inner:
        raise UnsupportedError(
            f"{request.method.value!r} cannot prune this model",
            ["it changes recurrent weights, but there are none"],
        )
    others = structure.weights() - sum(getattr(*matrix).numel() for matrix in matrices)
    if request.method is Method.LOW_RANK:
        limited = lower_rank(matrices, budget - others)
    else:
        limited = drop_columns(matrices, budget - others, request.options.column_norm)
    return replace(limited, weights=limited.weights + others)


def _group_report(group: Group, choice: Choice | None) -> GroupReport:
    return GroupReport(
        group.name,
        group.size,
        choice.units if choice else np.arange(group.size),
        Spectrum(group.covariance),
        choice.losses(group) if choice else None,
    )


def _needed(groups: Iterable[Group], tolerance: float, options: Options) -> int:
    """Return the fewest units with which each group of a module is within the tolerance."""
    # Penalties depend on the number of units, which is not known yet.
    plain = replace(options, regularise=False)
    return max(greedy_choice(group, plain).units_needed(tolerance) for group in groups)


def known_method(method: Method | str) -> Method:
    """Return a method by its name, or raise InputError with the names of all methods."""
    try:
        return Method(method)
    except ValueError:
        known = ", ".join(each.value for each in Method)
        raise InputError(f"method is {method!r}; choose from {known}") from None


def _checked_extent(
    keep: int | Mapping[str, int] | None, tolerance: float | None, sizes: Mapping[str, int]
) -> dict[str, int]:
    """Return the number of units that each module keeps; empty if a tolerance decides."""
    if (keep is None) == (tolerance is None):
        raise InputError("pass either 'keep' or 'tolerance', but not both")
    if tolerance is not None:
        check_tolerance(tolerance)
        return {}
    keeps: Mapping[str, Any] = keep if isinstance(keep, Mapping) else dict.fromkeys(sizes, keep)
    if keeps.keys() != sizes.keys():
        raise InputError(
            f"keep names {', '.join(map(repr, keeps))}; the layers to prune are "
            f"{', '.join(map(repr, sizes))}"
        )
    return {
        name: checked_keep(keeps[name], size, f"layer {name!r}") for name, size in sizes.items()
    }


def _check_apart(
    model: nn.Module, layers: Names | None, groups: Mapping[str, list[Group]], example: Any
) -> None:
    """Check that the values of two modules are not combined unit by unit.

    A copy runs whose modules keep different numbers of units. Where the values of two modules are
    added, as in a residual connection, their units cannot be chosen separately, but with equal
    numbers of units the model would run without an error.
    """
    sizes: dict[str, int] = {}
    for name, own in sorted(groups.items(), key=lambda item: item[1][0].size):
        free = set(range(2, own[0].size + 1)) - set(sizes.values())
        sizes[name] = max(free, default=own[0].size)
    smaller = copy.deepcopy(model)
    find(smaller, layers).cut(
        {
            group.name: Choice(np.arange(sizes[name]), embedding(group.size, range(sizes[name])))
            for name, own in groups.items()
            for group in own
        }
    )
    _check_runs(smaller, example)


def _check_runs(model: nn.Module, example: Any) -> None:
    """Run the pruned model once: this fails if an unknown part takes a pruned layer's values."""
    try:
        with torch.inference_mode(), evaluating(model):
            model(example)
    except RuntimeError as error:
        raise UnsupportedError(
            "the model cannot be pruned",
            [f"an unknown part of it takes a pruned layer's values: {error}"],
        ) from error
