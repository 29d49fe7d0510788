"""Find where a model can be pruned: layers whose values only known layers take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from edgespike.errors import InputError, UnsupportedError
from edgespike.prune.choosing.choice import Choice, Group
from edgespike.prune.choosing.covariance import Covariance
from edgespike.prune.torch.between import is_activation, treats_units_apart
from edgespike.prune.torch.feedforward import HiddenLayer, hidden_layers
from edgespike.prune.torch.recurrent import RecurrentChain, RecurrentLayer

Names = Sequence["str | tuple[str, str]"]
"""What to prune: names of hidden layers, or pairs of a recurrent module and its readout."""

_WHAT = "the model cannot be pruned"


@dataclass(frozen=True, eq=False)
class Structure:
    """All parts of a model that are pruned.

    Attributes
    ----------
    chains
        Recurrent layers with their readouts.
    hidden
        Hidden dense and convolution layers.
    """

    chains: tuple[RecurrentChain, ...]
    hidden: tuple[HiddenLayer, ...]

    @property
    def recurrent(self) -> list[RecurrentLayer]:
        """The layers of all chains."""
        return [layer for chain in self.chains for layer in chain.layers]

    @property
    def sizes(self) -> dict[str, int]:
        """The number of units of each module, by its name."""
        sizes = {layer.name: layer.size for layer in self.recurrent}
        return sizes | {layer.name: layer.size for layer in self.hidden}

    def group_sizes(self) -> dict[str, int]:
        """Return the number of units of each group, by its name."""
        sizes = {name: layer.size for layer in self.recurrent for name in layer.groups}
        return sizes | {layer.name: layer.size for layer in self.hidden}

    def groups(self, gathered: Mapping[str, Covariance]) -> dict[str, list[Group]]:
        """Return the groups of units of each module, by its name: all its layers and directions.

        Raises
        ------
        InputError
            Covariances are missing, or have other sizes.
        """
        faults = [
            f"{name!r} ({size} units)"
            for name, size in self.group_sizes().items()
            if name not in gathered or gathered[name].units != size
        ]
        if faults:
            raise InputError(
                f"no states were gathered of {', '.join(faults)}; gather them from this model, "
                "with the same layers, and with data that runs through them"
            )
        found: dict[str, list[Group]] = {}
        for chain in self.chains:
            for layer, groups in zip(chain.layers, chain.groups(gathered), strict=True):
                found.setdefault(layer.name, []).extend(groups)
        return found | {layer.name: [layer.group(gathered)] for layer in self.hidden}

    def cut(self, choices: Mapping[str, Choice]) -> None:
        """Keep the chosen units; choices are given by the names of groups."""
        for chain in self.chains:
            chain.cut(choices)
        for layer in self.hidden:
            layer.cut(choices[layer.name])

    def weights(self) -> int:
        """Return the number of weights that lead into or out of units."""
        return sum(getattr(module, name).numel() for module, name in self.matrices())

    def inner_matrices(self) -> list[tuple[nn.Module, str]]:
        """Return the matrices between recurrent units: ``W_h``, and those between layers."""
        firsts = [chain.layers[0] for chain in self.chains]
        return [
            (layer.rnn, f"weight_{kind}_{suffix}")
            for layer in self.recurrent
            for suffix in layer.suffixes
            for kind in (("hh",) if layer in firsts else ("hh", "ih"))
        ]

    def matrices(self) -> list[tuple[nn.Module, str]]:
        """Return each matrix of weights that leads into or out of a pruned unit, once."""
        found: list[tuple[nn.Module, str]] = [
            (layer.rnn, f"weight_{kind}_{suffix}")
            for layer in self.recurrent
            for suffix in layer.suffixes
            for kind in ("ih", "hh")
        ]
        found += [(chain.readout, "weight") for chain in self.chains]
        found += [(m, "weight") for layer in self.hidden for m in (layer.layer, layer.taker)]
        return list({(id(module), name): (module, name) for module, name in found}.values())


def find(model: nn.Module, names: Names | None = None) -> Structure:
    """Find what can be pruned.

    Recurrent modules (nn.RNN, nn.GRU, nn.LSTM) may lie anywhere in the model. The values of each
    are taken by the next recurrent module or nn.Linear in the order in which the model registers
    its modules. In between there may be activations, dropout, and modules without weights that
    are not torch's own. These are assumed to treat each unit separately, such as one that selects
    the last step. Only a model without recurrent modules is pruned in its hidden layers: see
    `edgespike.prune.torch.feedforward.hidden_layers`.

    Parameters
    ----------
    model
        The model.
    names
        What to prune, by names of `torch.nn.Module.named_modules`: a pair for a recurrent module
        and the nn.Linear that takes its values, a single name for a hidden layer. All that can be
        pruned if None.

    Raises
    ------
    UnsupportedError
        Nothing can be pruned, or a named layer cannot; the reasons are listed.
    """
    if names is not None:
        return _named(model, names)
    chains = _chains(model)
    layers = {} if chains else hidden_layers(model)
    hidden = [layer for layer in layers.values() if isinstance(layer, HiddenLayer)]
    if not chains and not hidden:
        reasons = [f"{name!r}: {why}" for name, why in layers.items()]
        nothing = (
            "it has no nn.RNN, nn.GRU or nn.LSTM, and is not an nn.Sequential with hidden layers"
        )
        raise UnsupportedError(_WHAT, reasons or [nothing])
    return Structure(tuple(chains), tuple(hidden))


def _named(model: nn.Module, names: Names) -> Structure:
    modules, layers = dict(model.named_modules()), hidden_layers(model)
    chains, hidden, faults = [], [], []
    for name in names:
        if not _is_name(name):
            faults.append(f"{name!r}: neither the name of a hidden layer nor a pair of names")
            continue
        if isinstance(name, str):
            layer = layers.get(name, "not a hidden dense or convolution layer of an nn.Sequential")
            if isinstance(layer, HiddenLayer):
                hidden.append(layer)
            else:
                faults.append(f"{name!r}: {layer}")
            continue
        rnn, readout = (modules.get(part) for part in name)
        if isinstance(rnn, nn.RNNBase) and isinstance(readout, nn.Linear):
            chains.append(_chain([(name[0], rnn)], readout, name[1]))
        else:
            faults.append(
                f"{name!r}: not the names of an nn.RNN, nn.GRU or nn.LSTM and an nn.Linear"
            )
    found = {id(m): path for path, m in modules.items()}
    pruned = [id(m) for chain in chains for m in (chain.layers[0].rnn, chain.readout)]
    pruned += [id(layer.layer) for layer in hidden]
    faults += [f"{found[m]!r} is named twice" for m in dict.fromkeys(pruned) if pruned.count(m) > 1]
    if faults or not names:
        raise UnsupportedError(_WHAT, faults or ["no layers are named"])
    return Structure(tuple(chains), tuple(hidden))


def _is_name(name: object) -> bool:
    parts = name if isinstance(name, (tuple, list)) and len(name) == 2 else [name]
    return all(isinstance(part, str) for part in parts)


def _chains(model: nn.Module) -> list[RecurrentChain]:
    """Follow each recurrent module's values to the nn.Linear that takes them."""
    chains: list[RecurrentChain] = []
    open_ones: list[tuple[str, nn.RNNBase]] = []
    activated = False
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase):
            open_ones.append((name, module))
        elif isinstance(module, nn.Linear) and open_ones:
            chains.append(_chain(open_ones, module, name, activated))
            open_ones, activated = [], False
        elif open_ones:
            _refuse_between(name, module, open_ones[-1][0])
            activated |= is_activation(module)
    if open_ones:
        fault = f"{open_ones[-1][0]!r}: no nn.Linear takes its values; name the layers"
        raise UnsupportedError(_WHAT, [fault])
    return chains


def _refuse_between(name: str, module: nn.Module, source: str) -> None:
    """Raise UnsupportedError if a module after a recurrent one may mix its units."""
    what = f"{type(module).__name__} {name!r} after {source!r}"
    if any(True for _ in module.parameters(recurse=False)):
        raise UnsupportedError(_WHAT, [f"{what} has weights; only nn.Linear is supported there"])
    if not treats_units_apart(module):
        fault = (
            f"{what} may mix units; move it after the nn.Linear, or, if it treats each unit "
            "separately or is not in between, name the layers: "
            f"layers=[({source!r}, nn.Linear's name)]"
        )
        raise UnsupportedError(_WHAT, [fault])


def _chain(
    modules: list[tuple[str, nn.RNNBase]],
    readout: nn.Linear,
    readout_name: str,
    activated: bool = False,
) -> RecurrentChain:
    faults = [
        f"{name!r}: an LSTM with projections (proj_size={rnn.proj_size}) is not supported"
        for name, rnn in modules
        if rnn.proj_size
    ]
    takers = [(name, rnn.input_size) for name, rnn in modules[1:]]
    takers.append((readout_name, readout.in_features))
    for (name, rnn), (taker, taken) in zip(modules, takers, strict=True):
        given = rnn.hidden_size * (2 if rnn.bidirectional else 1)
        if taken != given:
            faults.append(f"{taker!r} takes {taken} values, but {name!r} returns {given}")
    if faults:
        raise UnsupportedError(_WHAT, faults)
    layers = [
        RecurrentLayer(name, rnn, level) for name, rnn in modules for level in range(rnn.num_layers)
    ]
    return RecurrentChain(tuple(layers), readout_name, readout, activated)
