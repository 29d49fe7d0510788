"""Why a torch module may compute something else than its type says."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from edgespike.converters.torch.sequence import (
    is_compiled,
    order_preserving,
    parts_of,
    walk,
    walk_all,
    without_effect,
)
from edgespike.converters.torch.wrapping import CALLS


def refusals(path: str, module: Any, supported: Container[type]) -> Iterator[str]:
    """Yield why a module cannot be converted, or may not compute what its type says.

    Parameters
    ----------
    path
        Of the module; empty for the whole model.
    supported
        The types of modules that can be converted, sequences apart.
    """
    from edgespike.nn.layers.quant_gru import QuantGRU
    from edgespike.nn.layers.quant_rnn import QuantRNN
    from edgespike.nn.layers.residual import EventSum, Residual

    place = path or "the model"
    if found := list(_float_refusals(place, module)):
        yield from found
        return
    sequence = parts_of(module) is not None
    if not sequence and type(module) not in supported:
        yield f"{place} is a {type(module).__qualname__}{_why_not_a_wrapper(module)}"
        return
    yield from _changes(place, module)
    if not sequence and not isinstance(module, Residual):
        yield from _values_refusals(place, module)
    if isinstance(module, Residual):
        if type(module.sum) is not EventSum:
            yield f"{place}.sum is a {type(module.sum).__qualname__}, not an EventSum"
        yield from _changes(f"{place}.sum", module.sum)
    if isinstance(module, QuantRNN | QuantGRU):
        yield from _children_refusals(place, module)
        for name, child in list(module.named_modules())[1:]:
            yield from _changes(f"{place}.{name}", child)


def softmax_refusals(model: Any) -> Iterator[str]:
    """Yield each softmax that is not at the model's end, or not over its classes."""
    nothing = without_effect()
    leaves = [
        path for path, part in walk(model) if parts_of(part) is None and type(part) not in nothing
    ]
    for path, part in walk_all(model):
        if type(part) not in order_preserving():
            continue
        name = type(part).__name__
        if path != leaves[-1]:
            yield (
                f"{path} is a {name} inside the net, which no graph can compute; leave it out, or "
                "put it at the end"
            )
        elif part.dim not in (None, 1, -1):
            yield f"{path} is a {name} over axis {part.dim}; give dim=1, the axis of the classes"


def global_refusals() -> Iterator[str]:
    """Yield what may change the result of every module: torch's hooks for all modules."""
    from torch.nn.modules import module

    if module._global_forward_hooks or module._global_forward_pre_hooks:
        yield (
            "torch has forward hooks for all modules, which may change what they compute; remove "
            "them first: what register_module_forward_hook returned has remove()"
        )


def _changes(place: str, module: Any) -> Iterator[str]:
    """Yield what may change the result of a module."""
    if module._forward_hooks or module._forward_pre_hooks:
        yield (
            f"{place} has forward hooks, which may change what it computes; remove them first "
            "(a SpikePenalty's by close(), those of pruning by torch.nn.utils.prune.remove)"
        )
    # A compiled module keeps the compiled function there.
    if "forward" in vars(module) and not is_compiled(module):
        yield f"{place} has a forward function of its own; use its type's"
    yield from (
        f"{place} has a function {name} of its own; use its type's"
        for name in CALLS
        if name in vars(module)
    )


def _why_not_a_wrapper(module: Any) -> str:
    """Return why a user's own module with parts is not treated as a sequence of them."""
    from torch import nn

    foreign = type(module).__module__.split(".")[0] not in ("torch", "edgespike")
    if not (foreign and isinstance(module, nn.Module) and module._modules):
        return ""
    return (
        ", whose forward does more than call its parts one by one, as in "
        "'return self.second(self.first(x))'"
    )


def _values_refusals(place: str, module: Any) -> Iterator[str]:
    """Yield which parameters and statistics have no values."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta:
            yield (
                f"{place}.{name} is on the meta device, where tensors hold no values; load trained "
                "values with load_state_dict(..., assign=True)"
            )


def _float_refusals(place: str, module: Any) -> Iterator[str]:
    """Yield why a recurrent layer of floats cannot be converted exactly."""
    from torch import nn

    from edgespike.nn.layers.recurrent import Recurrent

    cell = module.rnn if isinstance(module, Recurrent) else module
    if isinstance(cell, nn.GRU | nn.LSTM):
        yield (
            f"{place} is a {type(cell).__name__} of floats, which rounds at every step, so no "
            "integer graph equals it; train a QuantGRU, with a recipe of the cell 'gru' and "
            "activation 'levels', or a QuantRNN"
        )
    elif isinstance(cell, nn.RNN):
        yield (
            f"{place} is an RNN of floats, which rounds at every step, so no integer graph equals "
            "it; use a QuantRNN: fine-tune this one with a recipe of activation "
            "'levels', edgespike train RECIPE --from CHECKPOINT"
        )


def _children_refusals(place: str, module: Any) -> Iterator[str]:
    """Yield why a part of a recurrent layer may compute something else than its type says."""
    from edgespike.nn.layers.activation import RoundClip, RoundSigned, SigmoidLevels, TanhLevels
    from edgespike.nn.layers.product import EventProduct
    from edgespike.nn.layers.quant_gru import Gate, QuantGRU
    from edgespike.nn.layers.quant_rnn import InitialState, InputLinear, SharedUnitLinear

    sums: dict[str, tuple[type, ...]] = {"input": (InputLinear,), "recurrent": (SharedUnitLinear,)}
    expected: dict[str, tuple[type, ...]] = {"initial": (InitialState,)}
    if isinstance(module, QuantGRU):
        gates = {"update": SigmoidLevels, "reset": SigmoidLevels, "candidate": TanhLevels}
        for gate, activation in gates.items():
            expected |= {gate: (Gate,), f"{gate}.activation": (activation,)}
            expected |= {f"{gate}.{name}": kinds for name, kinds in sums.items()}
        expected |= dict.fromkeys(("admitted", "kept", "renewed"), (EventProduct,))
        expected |= dict.fromkeys(("remembered", "state"), (RoundSigned,))
    else:
        expected |= {"activation": (RoundClip, TanhLevels), **sums}
    for name, kinds in expected.items():
        found = type(module.get_submodule(name))
        if found not in kinds:
            yield f"{place}.{name} is a {found.__qualname__}, not a {kinds[-1].__name__}"
