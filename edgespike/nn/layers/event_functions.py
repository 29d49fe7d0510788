"""Which functions of torch pass events on; followed once, while a model runs on an example.

A function returns a new tensor, which has no note. So what a function does to events is found by
following all of them, and what is found about the layers that they reach is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from edgespike.nn.layers.event_notes import Note, Notes
from edgespike.nn.layers.event_pools import averaged

_PASSES = frozenset(
    {"view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze"}
    | {"permute", "transpose", "swapaxes", "movedim", "contiguous", "clone", "detach", "__get__"}
    | {"to", "type", "type_as", "float", "double", "half", "bfloat16", "cpu", "cuda"}
    | {"__getitem__", "select", "narrow", "unbind", "split", "chunk", "index_select", "roll"}
    | {"dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_dropout"}
    | {"max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool2d", "requires_grad_"}
)
"""Functions whose results are the events that entered, regrouped; or the larger of some."""

_JOINS = frozenset({"stack", "cat", "concat", "concatenate", "hstack", "vstack", "dstack"})
"""Functions that put tensors side by side."""

_ADDS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__", "sum"})
"""Functions that add up events."""

_MEANS = {"avg_pool2d": nn.AvgPool2d, "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d}
"""Functions that average events, and the modules that do the same."""

_CREATES = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"}
    | {"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
)
"""Functions that take only the shape of what enters."""

_WEIGHTED = frozenset(
    {"linear", "bilinear", "conv1d", "conv2d", "conv3d", "matmul", "__matmul__", "__rmatmul__"}
    | {"mm", "bmm", "mv", "addmm", "baddbmm", "einsum", "tensordot", "multi_head_attention_forward"}
    | {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "scaled_dot_product_attention"}
)
"""Functions with synapses that would not be counted."""


class FunctionFollower(TorchFunctionMode):
    """Give the results of functions of events notes, while it is active.

    Parameters
    ----------
    notes
        Those that tensors carry.
    inside
        Returns whether a module runs whose functions are its own affair.
    refuse
        Is called with a line about what cannot be counted.
    power
        That of the levels: where it is not 1, functions that add up events cannot be followed.
    """

    def __init__(
        self,
        notes: Notes,
        inside: Callable[[], bool],
        refuse: Callable[[str], None],
        power: int,
    ) -> None:
        super().__init__()
        self._notes = notes
        self._inside, self._refuse, self._power = inside, refuse, power

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function, and note what its result stands for."""
        given = dict(kwargs or {})
        # Read before it runs: the function may change its argument.
        notes = [self._notes.on(tensor) for tensor in _tensors((args, given))]
        result = func(*args, **given)
        found = [note for note in notes if note is not None]
        if found and not self._inside():
            name = getattr(func, "__name__", str(func))
            self._follow(name, found, len(found) == len(notes), args, given, result)
        return result

    def _follow(
        self,
        name: str,
        notes: list[Note],
        all_noted: bool,
        args: tuple[Any, ...],
        given: dict[str, Any],
        result: Any,
    ) -> None:
        if name in _CREATES:
            return
        if name in _WEIGHTED:
            self._refuse(
                f"the function {name} has weights that events enter; call a Conv2d or Linear"
            )
            return
        note = _merged(notes).without_tensors()
        if name == "__setitem__":
            self._notes.put(args[0], note)
            return
        if changed := next((each.changed_by for each in notes if each.changed_by), ""):
            note = replace(note, changed_by=changed)
        elif name in _MEANS:
            note = self._mean(name, note, args, given)
        elif name in _ADDS:
            alike = all_noted and _one_meaning(notes)
            note = self._sum(name, note, alike and "alpha" not in given)
        elif not (name in _PASSES or (name in _JOINS and all_noted and _one_meaning(notes))):
            note = replace(note, changed_by=f"the function {name}")
        for tensor in _tensors(result):
            self._notes.put(tensor, note)

    def _sum(self, name: str, note: Note, of_events: bool) -> Note:
        if not of_events:
            return replace(note, changed_by=f"the function {name}")
        if not note.spikes or self._power != 1:
            what = "levels" if not note.spikes else f"spikes, which p = {self._power} needs apart"
            return replace(
                note, changed_by=f"the function {name}, which adds up {what}; call a SumPool2d"
            )
        return note

    def _mean(self, name: str, note: Note, args: tuple[Any, ...], given: dict[str, Any]) -> Note:
        pool, size = _as_module(name, args, given)
        window = averaged(pool, size)
        note = self._sum(name, note, True)
        if isinstance(window, str):
            return replace(note, changed_by=f"the function {name}: {window}")
        return replace(note, scale=note.scale / window)


def _as_module(
    name: str, args: tuple[Any, ...], given: Mapping[str, Any]
) -> tuple[nn.Module, tuple[int, int]]:
    """Return the module that does what a call of a function does, and the size of its input."""
    values = dict(given)
    tensor = values.pop("input", None)
    if tensor is None:
        tensor, *rest = args
    else:
        rest = list(args)
    return _MEANS[name](*rest, **values), (tensor.shape[-2], tensor.shape[-1])


def _merged(notes: list[Note]) -> Note:
    return replace(notes[0], sources=frozenset().union(*(note.sources for note in notes)))


def _one_meaning(notes: list[Note]) -> bool:
    meanings = {(note.scale, note.zero, note.spikes, note.signed) for note in notes}
    return len(meanings) == 1


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
