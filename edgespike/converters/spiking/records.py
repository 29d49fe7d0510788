"""Which values of all steps are in what a net's ``forward`` returns, and how it combined them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgespike.converters.spiking.axes import AXES_MOVED, moved_axis
from edgespike.converters.spiking.steps import Steps
from edgespike.converters.spiking.values import Call, Value, leaves, through
from edgespike.graph import ReadoutMode

SUM, LAST = ReadoutMode.SUM, ReadoutMode.LAST


@dataclass(frozen=True)
class Record:
    """A value of each step, and what is made of them.

    Parameters
    ----------
    values
        One a step.
    mode
        How they are combined; ``None`` if all of them are returned.
    notes
        What was left out because it keeps the order of the classes; sentences.
    """

    values: tuple[Value, ...]
    mode: ReadoutMode | None = None
    notes: tuple[str, ...] = ()


def records_of(steps: Steps, returned: Sequence[Any]) -> Iterator[Record]:
    """Yield the records in what each call of the probe returned."""
    if steps.stepwise:
        for places in zip(*(leaves(each) for each in returned), strict=False):
            yield Record(tuple(places))
        return
    waiting = list(returned)
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, Value):
            if (record := _record(steps, part)) is not None:
                yield record
        elif isinstance(part, tuple) and _is_listed(steps, part):
            yield Record(part)
        elif isinstance(part, tuple | dict):
            waiting = [*(part.values() if isinstance(part, dict) else part), *waiting]


def _is_listed(steps: Steps, part: Sequence[Any]) -> bool:
    """Return whether a tuple holds what neurons gave at each of the steps."""
    found = [steps.neuron(through(each)) for each in part if isinstance(each, Value)]
    places = [None if neuron is None else neuron[1] for neuron in found]
    return len(part) > 1 and places == list(range(steps.count)) and len(part) == len(found)


def _record(steps: Steps, value: Value) -> Record | None:
    """Return which values of all steps a value is made of, and how."""
    value = through(value)
    if (all_steps := _stacked(steps, value)) is not None:
        return Record(all_steps)
    if (terms := _terms(steps, value)) is not None:
        return Record(terms, SUM)
    call = value.call
    if call is not None and call.module is None and call.args:
        found = _reduced(steps, value)
        if found is not None:
            return found
    return _at_the_end(steps, value)


def _stacked(steps: Steps, value: Value) -> tuple[Value, ...] | None:
    call = value.call
    if call is None or call.module is not None:
        return None
    if call.name == "stack" and isinstance(call.args[0], tuple):
        values = [each for each in call.args[0] if isinstance(each, Value)]
        return tuple(values) if len(values) == steps.count else None
    if call.name in AXES_MOVED:
        return _stacked(steps, through(call.input))
    if call.name == "__setitem__":
        return _written(steps, value)
    return None


def _written(steps: Steps, value: Value) -> tuple[Value, ...] | None:
    """Return what was written into a tensor of all steps, one after the other."""
    written: dict[int, Value] = {}
    while value.call is not None and value.call.name == "__setitem__":
        into, index, part = value.call.args
        index = index[0] if isinstance(index, tuple) and index[1:] in ((), (Ellipsis,)) else index
        if not isinstance(index, int) or not isinstance(part, Value) or index in written:
            return None
        written[index] = part
        value = through(into)
    if not value.is_constant or set(written) != set(range(steps.count)):
        return None
    return tuple(written[step] for step in range(steps.count))


def _reduced(steps: Steps, value: Value) -> Record | None:
    call = value.call
    assert call is not None
    source = through(call.args[0]) if isinstance(call.args[0], Value) else None
    if source is None:
        return None
    if call.name == "div" and not isinstance(call.args[1], Value):
        record = _record(steps, source)
        if record is None or record.mode is not SUM or call.args[1] != steps.count:
            return None
        return Record(record.values, SUM, (_COUNT_FOR_RATE,))
    if call.name in ("softmax", "log_softmax", "sigmoid"):
        record = _record(steps, source)
        if record is None or record.mode is None or not _over_classes(call):
            return None
        note = f"{call.name} was left out: it keeps the order of the classes"
        return Record(record.values, record.mode, (*record.notes, note))
    if call.name == "__getitem__" and source.call is not None:
        stacked = _stacked(steps, source)
        if stacked and _axis(source) == 0 and call.args[1] in (-1, steps.count - 1):
            return Record(stacked, LAST)
        return None
    modes = {"sum": SUM, "mean": SUM, "max": None, "amax": None}
    if call.name not in modes or (stacked := _stacked(steps, source)) is None:
        return None
    dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    dim = dim[0] if isinstance(dim, tuple) and len(dim) == 1 else dim
    if not isinstance(dim, int) or dim % source.tensor.ndim != _axis(source) or value.role != "0":
        return None
    mode = modes[call.name] or ReadoutMode.MAX
    return Record(stacked, mode, (_COUNT_FOR_RATE,) if call.name == "mean" else ())


def _over_classes(call: Call) -> bool:
    """Return whether a softmax of (samples, classes) is over the classes; a sigmoid always fits."""
    if call.name == "sigmoid":
        return True
    dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    return dim in (None, 1, -1)


_COUNT_FOR_RATE = "the answer is the sum over the steps: the mean that the net returns, times steps"


def _axis(value: Value) -> int | None:
    """Return the axis of the steps of a stack, possibly with swapped axes."""
    call = value.call
    assert call is not None
    ndim = value.tensor.ndim
    if call.name == "stack":
        return int(call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % ndim
    if call.name == "__setitem__":
        return 0
    axis = _axis(through(call.input))
    return None if axis is None else moved_axis(call, axis, ndim)


def _terms(steps: Steps, value: Value) -> tuple[Value, ...] | None:
    """Return the values of all steps that a value is the sum of."""
    terms: list[Value] = []
    waiting: list[Any] = [value]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Value):
            if part != 0:
                return None
            continue
        part = through(part)
        call = part.call
        if part.is_zero:
            continue
        if call is not None and call.name in ("add", "add_", "__radd__") and not call.kwargs:
            waiting += call.args
        else:
            terms.append(part)
        if len(terms) > steps.count:
            return None
    if steps.count < 2 or len(terms) != steps.count:
        return None
    terms.sort(key=lambda term: -1 if term.call is None else term.call.place)
    neurons = [steps.neuron(term) for term in terms]
    if any(found and found[1] != step for step, found in enumerate(neurons)):
        return None
    return tuple(terms)  # that they are the same function of each step is checked for all records


def _at_the_end(steps: Steps, value: Value) -> Record | None:
    """Return a value of the last step alone: that of neurons, or of a layer behind them."""
    neuron = steps.neuron(value)
    if neuron is None:
        layer = value.call is not None and value.call.module is not None
        return Record((value,), LAST) if layer else None
    if neuron[1] != steps.count - 1:
        return None
    chain, _, role = neuron
    return Record(tuple(call.after[role] for call in chain.calls), LAST)
