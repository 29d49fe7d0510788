"""What whole numbers stand for: a straight line of real values in each channel.

Events and sums are whole numbers. Normalising, averaging and adding them changes only what one of
them is worth, so a graph carries the whole numbers on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgespike.floats.net import FloatPool2d, Pooling, Reals
from edgespike.quantise.dyadic import exact_product


@dataclass(frozen=True, eq=False)
class Line:
    """The real values of whole numbers ``n``: ``scale * n + offset``.

    Parameters
    ----------
    scale, offset
        One for each channel, ``(channels,)``.
    exact
        Whether no product was rounded when they were computed.
    """

    scale: Reals
    offset: Reals
    exact: bool = True

    @classmethod
    def of(cls, channels: int, scale: float = 1.0) -> Line:
        """Return a line through 0 that is the same in all channels."""
        return cls(np.full(channels, scale), np.zeros(channels))

    @property
    def through_zero(self) -> bool:
        """Whether 0 stands for 0 in every channel."""
        return not self.offset.any()

    def then_affine(self, scale: Reals, offset: Reals) -> Line:
        """Return the line of ``scale * value + offset``."""
        # With an offset it is a sum of two products: not worth a proof.
        exact = self.exact and self.through_zero and exact_product(self.scale, scale)
        return Line(self.scale * scale, self.offset * scale + offset, exact)

    def then_sums(self, pool: FloatPool2d) -> Line:
        """Return the line of sums over windows, which stand for sums or means of the values.

        Where 0 does not stand for 0, the windows may not see padding.
        """
        area = prod(pool.kernel)
        if pool.pooling is Pooling.SUM:
            return Line(self.scale, self.offset * area, self.exact)
        return Line(self.scale / area, self.offset, self.exact and area & (area - 1) == 0)

    def then_reshape(self, before: tuple[int, ...], after: tuple[int, ...]) -> Line | None:
        """Return the line in another shape; ``None`` if new channels mix old ones."""
        scale, offset = (along_reshape(x, before, after) for x in (self.scale, self.offset))
        return None if scale is None or offset is None else Line(scale, offset, self.exact)


def along_reshape(values: Reals, before: tuple[int, ...], after: tuple[int, ...]) -> Reals | None:
    """Carry one value for each channel through a reshape; ``None`` if new channels mix them."""
    each = np.repeat(values, prod(before[1:])).reshape(after[0], -1)
    return each[:, 0].copy() if (each == each[:, :1]).all() else None


def concatenated(lines: Sequence[Line]) -> Line:
    """Return the line of channels one after the other."""
    return Line(
        np.concatenate([line.scale for line in lines]),
        np.concatenate([line.offset for line in lines]),
        all(line.exact for line in lines),
    )


def added(lines: Sequence[Line]) -> Line | None:
    """Return the line of sums of whole numbers; ``None`` if these are not worth the same."""
    first = lines[0]
    if any(not np.array_equal(line.scale, first.scale) for line in lines):
        return None
    offset = np.sum([line.offset for line in lines], axis=0)
    return Line(first.scale, offset, all(line.exact for line in lines))
