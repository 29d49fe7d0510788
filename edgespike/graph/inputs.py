"""Checks of samples before they reach a graph."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.graph.graph import Graph, as_graph
from edgespike.graph.ops import Input

_FEW = 2**14
"""Most values whose largest is found sooner by its place: a call of ``max`` takes a microsecond."""

_SMALL_PART = 0.02
"""Of an input's range. Reals within less were probably scaled in another way than in training."""


def as_samples(graph: Graph, array: NDArray[Any]) -> NDArray[Any]:
    """Check samples for a graph and add an axis of steps.

    Who checks samples of the same graph over and over keeps an :class:`InputCheck`.

    Parameters
    ----------
    graph
        The graph that they are for.
    array
        Integers, either ``(samples, *shape)``, where each sample is shown unchanged at every
        step, or ``(samples, steps, *shape)``. Booleans too, where the input's range is 0..1.

    Returns
    -------
    array
        ``(samples, steps, *shape)`` in the same integer dtype, a view where possible; see
        :func:`never_changes`.

    Raises
    ------
    InputError
        Wrong shape, dtype or values outside the input's declared range; or, of several steps,
        the shape of one sample without an axis of samples, which as many constant samples also
        have.
    """
    return InputCheck(graph)(array)


class InputCheck:
    """Checks samples for one graph, as :func:`as_samples` says.

    Calls of one sample take microseconds, so each check takes as little as it can: most types are
    known to have no values below an input's range, and some none outside.

    Parameters
    ----------
    graph
        The graph that the samples are for.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = as_graph(graph)
        self._op = op = self._graph.input_op
        self._steps = self._graph.steps
        self._single, self._stepped = op.shape, (self._steps, *op.shape)
        self._looks: dict[np.dtype[Any], _Look] = {}
        """How arrays of each type that was met are searched for values outside."""

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """Check samples and add an axis of steps."""
        if type(array) is not np.ndarray or array.dtype not in self._looks:
            array = self._of_integers(array)
        shape = array.shape
        if shape[1:] == self._stepped:
            if len(array) == 0:
                raise self._no_samples()
            # Of equal steps that share their memory, one is enough.
            self._check_range(array[:, 0] if never_changes(array) else array)
            return array
        if shape[1:] != self._single or (shape == self._stepped and self._steps > 1):
            raise self._wrong_shape(array)
        if len(array) == 0:
            raise self._no_samples()
        self._check_range(array)
        return array[:, None] if self._steps == 1 else _repeated(array, self._steps)

    def _of_integers(self, array: Any) -> NDArray[Any]:
        """Return an array of integers of any type, whose look is known from now on."""
        graph, op = self._graph, self._op
        if np.ma.is_masked(array):
            raise InputError(
                f"input of graph {graph.name!r} is masked, but a graph has no missing values; fill "
                "them, for example with array.filled(0)"
            )
        try:
            found: NDArray[Any] = np.asarray(array)
        except (ValueError, TypeError, RuntimeError) as error:  # other packages' tensors too
            raise InputError(f"input of graph {graph.name!r} is not an array: {error}") from None
        if found.dtype == np.bool_ and (op.low, op.high) == (0, 1):
            found = found.view(np.uint8)
        if found.dtype.kind not in "iu":
            raise InputError(_dtype_message(graph, op, found))
        if found.dtype not in self._looks:
            self._looks[found.dtype] = _look(found.dtype, op.low, op.high)
        return found

    def _check_range(self, array: NDArray[Any]) -> None:
        least, most, as_type = self._looks[array.dtype]
        if most is not None:
            values = array if as_type is None else array.view(as_type)
            if _largest(values) > most:
                raise self._outside(array)
        if least is not None and int(array.min()) < least:
            raise self._outside(array)

    def _wrong_shape(self, array: NDArray[Any]) -> InputError:
        name, steps, shape = self._graph.name, self._steps, array.shape
        if steps > 1 and shape == self._stepped:
            return InputError(
                f"input of graph {name!r} has shape {shape}, which could be one sample of "
                f"{steps} steps or {steps} constant samples; give array[None] for one "
                f"sample, or numpy.repeat(array[:, None], {steps}, axis=1) for constant ones"
            )
        expected = f"(samples, {', '.join(map(str, self._single))})"
        if steps > 1:
            each = f"(samples, {', '.join(map(str, self._stepped))})"
            expected += f", or {each} for different values at each step"
        return InputError(
            f"input of graph {name!r} has shape {shape}; give {expected}"
            f"{reshaping(shape, self._single)}"
        )

    def _no_samples(self) -> InputError:
        return InputError(f"input of graph {self._graph.name!r} has no samples; give at least one")

    def _outside(self, array: NDArray[Any]) -> InputError:
        op = self._op
        return InputError(
            f"input of graph {self._graph.name!r} has values {int(array.min())}..{int(array.max())}"
            f"; its range is {op.low}..{op.high} in units of {op.scale:g}; scale the data as in "
            "training (clipping would change the answers without an error)"
        )


class _Look(NamedTuple):
    """What of an array shows that all of its values are within a range.

    Parameters
    ----------
    least, most
        Limits that are compared; ``None`` where no value of the type is beyond.
    as_type
        Type as which the values are compared with ``most``, if it is another.
    """

    least: int | None
    most: int | None
    as_type: np.dtype[Any] | None


@lru_cache(maxsize=256)
def _look(dtype: np.dtype[Any], low: int, high: int) -> _Look:
    """Return the fastest look at values of an integer type that are to be within a range."""
    type_range = np.iinfo(dtype)
    if low == 0 and type_range.min < 0:
        # As unsigned numbers, negative ones are larger than all others: one look finds both.
        unsigned = np.dtype(dtype.str.replace("i", "u"))
        return _Look(None, min(high, int(type_range.max)), unsigned)
    return _Look(
        low if type_range.min < low else None, high if type_range.max > high else None, None
    )


def _largest(values: NDArray[Any]) -> int:
    """Return the largest of some integers."""
    if values.size <= _FEW:
        return int(values.item(values.argmax()))
    return int(values.max())


def _repeated(array: NDArray[Any], steps: int) -> NDArray[Any]:
    """Show samples at every step, in the same memory, which cannot be written through it."""
    shape = (len(array), steps, *array.shape[1:])
    if not array.flags.c_contiguous:
        return np.broadcast_to(array[:, None], shape)
    strides = (array.strides[0], 0, *array.strides[1:])
    # A tenth of the time of broadcast_to.
    repeated: NDArray[Any] = np.ndarray(shape, array.dtype, array, 0, strides)
    repeated.flags.writeable = False
    return repeated


def reshaping(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return how samples of a wrong shape may become ones of the right shape, for a message.

    Parameters
    ----------
    found
        The shape of what was given.
    shape
        Of one sample, channels first.

    Returns
    -------
    str
        ``""`` where nothing is likely; else it starts with a colon.
    """
    if found == shape:
        return ": x[None] if it is one sample"
    one, channels_last = found[1:], (*shape[1:], *shape[:1])
    if [size for size in one if size != 1] == [size for size in shape if size != 1]:
        return f": x.reshape{(-1, *shape)}"
    if one == channels_last:
        return ": numpy.moveaxis(x, -1, 1), since the channels seem to be last"
    if [size for size in one if size != 1] == [size for size in channels_last if size != 1]:
        last = (-1, *channels_last)
        return f": numpy.moveaxis(x.reshape{last}, -1, 1), since the channels seem to be last"
    return ""


def never_changes(samples: NDArray[Any]) -> bool:
    """Return whether all steps of checked samples share their memory, so that one is enough.

    ``samples`` come from :func:`as_samples`, or are part of that. Equal steps that were given
    separately are not found: comparing all values would take longer than it saves.
    """
    return samples.strides[1] == 0


def _dtype_message(graph: Graph, op: Input, array: NDArray[Any]) -> str:
    found = f"input of graph {graph.name!r} has dtype {array.dtype}"
    needed = f"give integers {op.low}..{op.high}, where one unit stands for {op.scale:g}"
    if array.dtype == np.bool_:
        return f"{found}; {needed}: numpy.where(x, {op.high}, {op.low}) if True means the largest"
    if not np.issubdtype(array.dtype, np.floating) or array.size == 0:
        return f"{found}; {needed}"
    bad = int((~np.isfinite(array)).sum())
    if bad:
        return f"{found} with {bad} values that are not finite; replace them and {needed}"
    least, most = float(array.min()), float(array.max())
    found += f" and values {least:g}..{most:g}"
    whole = bool((array == np.floor(array)).all()) and op.low <= least and most <= op.high
    if whole and most > op.high * op.scale:  # units already, stored as floats
        return f"{found}; {needed}: x.astype(numpy.int64), since they are whole"
    rounded = f"numpy.floor(x / {op.scale:g} + 0.5).astype(numpy.int64)"
    inside = op.low * op.scale <= least and most <= op.high * op.scale
    if inside and most - least < (op.high - op.low) * op.scale * _SMALL_PART:
        return (
            f"{found}; {needed}; rounded, these would fill less than {_SMALL_PART:.0%} of that, so "
            f"scale the data as in training, then {rounded}"
        )
    if inside:
        return f"{found}; {needed}: {rounded}"
    return (
        f"{found}; {needed}: the values do not fit {op.low * op.scale:g}..{op.high * op.scale:g}, "
        f"so scale the data as in training, then {rounded}"
    )
