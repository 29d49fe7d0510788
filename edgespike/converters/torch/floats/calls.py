"""From a call that ``torch.export`` lists to what handlers take: its name, place and arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgespike.converters.floats import Shape, Unknown, UnreadableError, stored_shape
from edgespike.converters.torch.floats.exporting import foreign
from edgespike.converters.torch.floats.values import BATCH, Call, Value

if TYPE_CHECKING:
    from torch import fx

_PLAIN_NAMES = {
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_native_batch_norm_legit": "native_batch_norm",
    "native_dropout": "active_dropout",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_log_softmax": "log_softmax",
    "_softmax": "softmax",
    "_unsafe_view": "view",
    "_to_copy": "to",
}
"""Operators under the names that users know, where torch renames them."""


def leaves(held: Any) -> Iterator[Any]:
    """Yield what lists, tuples and dictionaries hold, however nested."""
    if isinstance(held, dict):
        held = list(held.values())
    if isinstance(held, tuple | list):
        for each in held:
            yield from leaves(each)
    else:
        yield held


def like(node: fx.Node) -> Any:
    """Return a stand-in for what an unreadable call gives, so that the rest can be read."""
    shape = _shape(node)
    if shape is None or shape[:1] != (BATCH,):
        return Unknown()
    try:
        return Value("unknown", shape[1:], stored_shape(shape[1:]))
    except UnreadableError:
        return Unknown()


def _shape(node: fx.Node) -> Shape | None:
    import torch

    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor) or not all(type(size) is int for size in value.shape):
        return None
    return tuple(value.shape)


def as_call(node: fx.Node, args: Any, kwargs: Any) -> Call:
    """Return a call with the names of its arguments."""
    schema = getattr(node.target, "_schema", None)
    name = _operator(node)
    arguments = {}
    for place, argument in enumerate(schema.arguments if schema is not None else ()):
        default = argument.default_value
        given = args[place] if place < len(args) else kwargs.get(argument.name, default)
        arguments[argument.name] = given
    shape = _shape(node)
    if shape is None and isinstance(node.meta.get("val"), tuple | list):
        first = node.meta["val"][0]
        shape = tuple(first.shape)
    return Call(name, arguments, shape, _path(node), label(node))


def _operator(node: fx.Node) -> str:
    packet = getattr(node.target, "_schema", None)
    if packet is None:
        return getattr(node.target, "__name__", str(node.target))
    name = str(packet.name).partition("::")[2]
    return _PLAIN_NAMES.get(name, name)


def _path(node: fx.Node) -> str:
    """Return the path of the module that makes a call."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]) if stack else ""


def label(node: fx.Node) -> str:
    """Return what the user calls the place of a call.

    That is the path of a module of torch's; of the user's own modules also the line.
    """
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = (str(stack[-1][0]), str(stack[-1][1])) if stack else ("", "")
    if kind.startswith("torch.nn.modules."):
        return f"{path or 'the model'} ({kind.rpartition('.')[2]})"
    line = _line(node)
    where = f"{_operator(node)}, {line}" if line else _operator(node)
    return f"{path} ({where})" if path else where


def _line(node: fx.Node) -> str:
    """Return the last line of the user's own code that led to a call."""
    found = ""
    for text in (node.meta.get("stack_trace") or "").splitlines():
        if not text.lstrip().startswith('File "'):
            continue
        file, _, rest = text.strip().removeprefix('File "').partition('", line ')
        if foreign(file):
            found = f"{Path(file).name}:{rest.partition(',')[0]}"
    return found
