"""Where the steps are in a tensor of all of them, and which one a function picks."""

from __future__ import annotations

from edgespike.converters.spiking.values import Call, Value

AXES_MOVED = ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis")
"""Functions that give axes another order."""


def moved_axis(call: Call, axis: int, ndim: int) -> int | None:
    """Return where one of `AXES_MOVED` puts an axis."""
    if call.name == "permute":
        order = call.kwargs.get("dims", call.args[1] if len(call.args) == 2 else call.args[1:])
        return [int(each) % ndim for each in order].index(axis)
    if call.kwargs or not all(isinstance(each, int) for each in call.args[1:3]):
        return None
    first, second = (int(each) % ndim for each in call.args[1:3])
    if call.name.startswith("move"):
        rest = [each for each in range(ndim) if each != first]
        rest.insert(second, first)
        return rest.index(axis)
    return {first: second, second: first}.get(axis, axis)


def picked_step(call: Call, value: Value, axis: int, steps: int) -> int | None:
    """Return which step a function picks from an input with an axis of steps."""
    if call.name == "__getitem__":
        index = call.args[1]
        index = index if isinstance(index, tuple) else (index,)
        wanted = [each for each in index if each is not Ellipsis]
        before, rest = wanted[:axis], wanted[axis:]
        if len(rest) == 0 or index[0] is Ellipsis or isinstance(rest[0], bool):
            return None
        if any(each != slice(None) for each in before + rest[1:]) or not isinstance(rest[0], int):
            return None
        return rest[0] % steps
    if call.name == "select" and call.args[1:2] == (axis,):
        return int(call.args[2]) % steps
    if call.name == "unbind":
        dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)
        return int(value.role) if dim == axis else None
    return None


def is_by_step(call: Call) -> bool:
    """Return whether a call computes each step, and each sample, of a sequence by itself.

    The caller sees that both axes are the first two before and after the call.
    """
    return call.name in (_LAYERS if call.module is not None else _FUNCTIONS) and bool(call.args)


_LAYERS = frozenset({"Linear", "Identity", "Dropout", "Flatten"})
_FUNCTIONS = frozenset({"flatten", "view", "reshape", "unflatten", "mul", "div", "add", "sub"})
