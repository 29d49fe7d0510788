"""What is proven of two energies by the fact that both are made with the same constants.

An energy is a sum of counts times constants, and each constant is somewhere in its range. The
ranges of two energies may overlap although one energy is lower whatever the constants are: of a
constant that both charge, only the difference of the counts matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from edgespike.comparison.figures import Energy
from edgespike.energy import Interval


def difference(energy: Energy, other: Energy) -> tuple[Fraction, Fraction] | None:
    """Return the least and the most that the other energy is above this one.

    Every constant takes any value in its range, the same for both.

    Returns
    -------
    least, most
        Joules over all samples, exact; ``None`` if one does not say what it charges.
    """
    if not energy.charged or not other.charged:
        return None
    least = most = Fraction(0)
    for name in {*energy.charged, *other.charged}:
        times = Fraction(0)
        for sign, row in ((-1, energy), (1, other)):
            if name in row.charged:
                number, constant = row.charged[name]
                times += sign * Fraction(number)
        ends = times * Fraction(constant.low), times * Fraction(constant.high)
        least, most = least + min(ends), most + max(ends)
    return least, most


def other_constants(names: Sequence[str], energies: Sequence[Energy]) -> Iterator[str]:
    """Yield which constants are not the same in all energies."""
    first: dict[str, tuple[str, Interval]] = {}
    for name, energy in zip(names, energies, strict=True):
        for constant, (_, here) in sorted(energy.charged.items()):
            of, there = first.setdefault(constant, (name, here))
            if here != there:
                yield (
                    f"constant {constant} is {here.low:g} to {here.high:g} J in {name}, "
                    f"{there.low:g} to {there.high:g} J in {of}; make both with the same profile"
                )
