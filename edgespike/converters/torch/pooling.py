"""From torch pools to a graph: maxima move after the activation, averages become scaled sums."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

from edgespike.converters.builder import GraphBuilder
from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.torch.geometry import Pair, adaptive_window, both, pair
from edgespike.graph import MaxPool2d, SumPool2d
from edgespike.graph.ops.windows import padded_size, same_sides, window_count, window_counts

_PLAIN = (1, 1)

_LEAST = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "output_size": 1}


def max_pool(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Move the pool after the activation, which changes nothing because that is monotone.

    This holds for either sign of gamma, because the pool follows the normalisation.
    """
    _check_geometry(leaf, path)
    kernel, stride, padding = _geometry(leaf)
    dilation = pair(leaf.dilation)
    _add_maximum(
        builder,
        path,
        MaxPool2d(kernel, stride, padding),
        [*_plain_faults(leaf, dilation), *_ceiling_faults(builder, leaf, dilation)],
        _counts(builder, leaf, dilation),
    )


def adaptive_max_pool(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Convert a pool whose windows follow from the size of its output."""
    kernel, stride = _adaptive(builder, leaf, path)
    faults = list(_plain_faults(leaf, _PLAIN))
    _add_maximum(builder, path, MaxPool2d(kernel, stride), faults, None)


def sum_pool(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Convert a `edgespike.nn.SumPool2d`."""
    if builder.sums is not None:
        builder.violations.append(f"{path} precedes an activation; move it after the activation")
    size = pair(leaf.kernel_size)
    builder.append(path, "pool", SumPool2d(size, size))


def average_pool(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Convert a mean into the sum of each window; the next layer's scale takes the divisor."""
    _check_geometry(leaf, path)
    kernel, stride, padding = _geometry(leaf)
    faults = list(_ceiling_faults(builder, leaf))
    divisors = _divisors(builder, leaf)
    if len(divisors) > 1 and not faults:
        faults.append(
            f"divides its windows by {_listed(divisors)}, as padding is not counted; set "
            "count_include_pad=True, padding 0 or divisor_override"
        )
    if min(divisors) < 1:
        faults.append(f"has divisor_override {min(divisors)}; give at least 1")
    if builder.sums is not None and not faults:
        faults += _faults_before_an_activation(kernel, padding, min(divisors))
    counts = _counts(builder, leaf)
    _add_average(builder, path, SumPool2d(kernel, stride, padding), min(divisors), faults, counts)


def adaptive_average_pool(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Convert a mean over windows that follow from the size of its output."""
    kernel, stride = _adaptive(builder, leaf, path)
    divisor = kernel[0] * kernel[1]
    _add_average(builder, path, SumPool2d(kernel, stride), divisor, [], None)


def _add_maximum(
    builder: GraphBuilder, path: str, op: MaxPool2d, faults: list[str], counts: Pair | None
) -> None:
    builder.violations += [f"{path} {fault}" for fault in faults]
    if faults and counts is not None:
        kernel = _shrinking_to(builder, counts)
        op = MaxPool2d(kernel, _PLAIN)
    if builder.sums is None:
        builder.append(path, "pool", op)
        return
    if builder.sums.pools:
        builder.violations.append(f"{path} follows another pool; put the activation between them")
    builder.sums.pools.append(op)


def _add_average(
    builder: GraphBuilder,
    path: str,
    op: SumPool2d,
    divisor: int,
    faults: list[str],
    counts: Pair | None,
) -> None:
    if builder.sums is not None and builder.sums.pools:
        raise ConversionStoppedError(
            f"{path} follows another pool; put the activation between them"
        )
    builder.violations += [f"{path} {fault}" for fault in faults]
    if faults:
        op = SumPool2d(_shrinking_to(builder, counts), _PLAIN) if counts is not None else op
        divisor = 1
    builder.append(path, "pool", op)
    if builder.sums is None:
        builder.event_scale /= divisor
    else:
        builder.sums.scale /= divisor


def _shrinking_to(builder: GraphBuilder, counts: Pair) -> Pair:
    """Return a kernel that makes, with stride 1, as many windows as a refused pool.

    The layers after the pool are then checked with the shapes that they have in the model.
    """
    height, width = _arriving(builder)[1:]
    return max(height - counts[0] + 1, 1), max(width - counts[1] + 1, 1)


def _plain_faults(leaf: Any, dilation: Pair) -> Iterator[str]:
    if dilation != _PLAIN:
        yield f"has dilation {dilation}; only windows without gaps are supported, use 1"
    if leaf.return_indices:
        yield "has return_indices; a graph passes on only values, set it to False"


def _ceiling_faults(builder: GraphBuilder, leaf: Any, dilation: Pair = _PLAIN) -> Iterator[str]:
    """Yield that ``ceil_mode`` adds windows that reach beyond the border, if it does."""
    counts = _counts(builder, leaf, dilation)
    if counts is None or not leaf.ceil_mode:
        return
    kernel, stride, padding = _geometry(leaf)
    shape = _arriving(builder)
    whole = window_counts(shape, kernel, stride, same_sides(*padding), dilation)
    if counts != whole:
        yield (
            f"has ceil_mode, which makes {_times(counts)} windows of {_times(shape[1:])} values, "
            f"and {_times(whole)} without; windows cannot reach beyond the border, set "
            "ceil_mode=False or choose kernel, stride and padding that leave no remainder"
        )


def _faults_before_an_activation(kernel: Pair, padding: Pair, divisor: int) -> Iterator[str]:
    """Yield why a mean of sums is not just another scale: it would scale their bias differently."""
    if any(padding):
        yield f"has padding {padding} before an activation; use 0, or move it after the activation"
    if divisor != kernel[0] * kernel[1]:
        yield (
            f"has divisor_override {divisor} before an activation; leave it out, or move the pool "
            "after the activation"
        )


def _divisors(builder: GraphBuilder, leaf: Any) -> set[int]:
    """Return the divisors of a pool's windows, without those that ``ceil_mode`` adds."""
    kernel, stride, padding = _geometry(leaf)
    shape = _arriving(builder)
    if leaf.divisor_override is not None:
        return {int(leaf.divisor_override)}
    if leaf.count_include_pad or not any(padding) or len(shape) != 3:
        return {kernel[0] * kernel[1]}
    vertical, horizontal = (
        set(_sizes_within(*axis)) for axis in zip(shape[1:], kernel, stride, padding, strict=True)
    )
    return {high * wide for high in vertical for wide in horizontal} or {1}


def _sizes_within(size: int, kernel: int, stride: int, padding: int) -> Iterator[int]:
    """Yield how many elements of each window are not padding, along one axis."""
    for number in range(window_count(size + 2 * padding, kernel, stride)):
        start = number * stride - padding
        yield min(start + kernel, size) - max(start, 0)


def _counts(builder: GraphBuilder, leaf: Any, dilation: Pair = _PLAIN) -> Pair | None:
    """Return how many windows torch makes vertically and horizontally.

    ``None`` if the input has no height and width, or no window fits: the graph's own check says so.
    """
    shape = _arriving(builder)
    kernel, stride, padding = _geometry(leaf)
    if (
        len(shape) != 3
        or min(window_counts(shape, kernel, stride, same_sides(*padding), dilation)) < 1
    ):
        return None
    vertical, horizontal = (
        _count(*axis, ceiling=leaf.ceil_mode)
        for axis in zip(shape[1:], kernel, stride, padding, dilation, strict=True)
    )
    return vertical, horizontal


def _count(
    size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceiling: bool
) -> int:
    """Return the number of windows along one axis, as torch's ``pooling_output_shape``."""
    whole = window_count(size + 2 * padding, kernel, stride, dilation)
    last = whole * stride - padding  # where one more window would begin
    covered = last - stride + dilation * (kernel - 1) + 1 >= size + padding
    return whole + int(ceiling and not covered and last < size)


def _adaptive(builder: GraphBuilder, leaf: Any, path: str) -> tuple[Pair, Pair]:
    """Return kernel and stride of an adaptive pool; windows that differ are refused."""
    shape = _arriving(builder)
    if len(shape) != 3:
        raise ConversionStoppedError(
            f"{path} receives shape {shape}; pooling needs (channels, height, width)"
        )
    _check_geometry(leaf, path)
    given = both(leaf.output_size)
    wanted = [size if out is None else int(out) for out, size in zip(given, shape[1:], strict=True)]
    found = []
    for size, out in zip(shape[1:], wanted, strict=True):
        if (window := adaptive_window(size, out)) is None:
            raise ConversionStoppedError(
                f"{path} divides {_times(shape[1:])} values into {_times(wanted)} windows that "
                f"differ in size or distance; give an output_size that divides {_times(shape[1:])}"
            )
        found.append(window)
    (high, down), (wide, right) = found
    return (high, wide), (down, right)


def _arriving(builder: GraphBuilder) -> tuple[int, ...]:
    """Return the shape of a module's input, after the pools and padding that are waiting."""
    tensor = builder.tensor
    for pool in builder.sums.pools if builder.sums is not None else ():
        tensor = pool.infer([tensor], builder.steps)
    if len(tensor.shape) != 3:
        return tensor.shape
    top, bottom, left, right = builder.padding
    return (tensor.shape[0], *padded_size(tensor.shape, ((top, bottom), (left, right))))


def _geometry(leaf: Any) -> tuple[Pair, Pair, Pair]:
    return pair(leaf.kernel_size), pair(leaf.stride), pair(leaf.padding)


def _check_geometry(leaf: Any, path: str) -> None:
    """Refuse what torch accepts when a pool is created, but not when it runs."""
    for name, least in _LEAST.items():
        value = getattr(leaf, name, least)
        numbers = value if isinstance(value, tuple | list) else (value,)
        if len(numbers) not in (1, 2) or not all(_at_least(least, x, name) for x in numbers):
            raise ConversionStoppedError(
                f"{path} has {name} {value!r}; give one or two whole numbers of at least {least}"
            )


def _at_least(least: int, number: Any, name: str) -> bool:
    if number is None:
        return name == "output_size"
    return isinstance(number, Integral) and int(number) >= least


def _times(counts: Any) -> str:
    return "x".join(map(str, counts))


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
