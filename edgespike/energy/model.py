"""What an energy model is: a list of terms, each a quantity times a constant of a profile.

For comparison a model may have dense baselines with the same constants: a ReLU network of the same
shape that computes every connection, without skipping zeros. It is charged for the same layers as
the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgespike.counting import Convention
from edgespike.energy.quantities import SRAM_SIZES, Hierarchy, MemoryKind, Quantity


@dataclass(frozen=True)
class Term:
    """A count times a constant.

    Parameters
    ----------
    quantity
        What is counted.
    constant
        Name of the constant; for a memory access, without the memory's size.
    memory
        The memory that is accessed; ``None`` for an operation.
    hierarchy
        How the energy of an access follows from the memory's size.
    """

    quantity: Quantity
    constant: str
    memory: MemoryKind | None = None
    hierarchy: Hierarchy = Hierarchy.SMALLEST_THAT_FITS

    def constant_names(self) -> Iterator[str]:
        """Yield the name of every constant that the term may need, for all memory sizes."""
        if self.memory is None:
            yield self.constant
        else:
            yield from (f"{self.constant}_{size}" for size in SRAM_SIZES)

    @property
    def equation(self) -> str:
        """The term as people read it, such as "synaptic operations x integer_add"."""
        if self.memory is None:
            return f"{self.quantity.value} x {self.constant}"
        if self.hierarchy is Hierarchy.INTERPOLATED:
            return f"sum over layers of {self.quantity.value} x {self.constant}(size of the memory)"
        return f"{self.quantity.value} x {self.constant}(size of the memory of {self.memory.value})"


@dataclass(frozen=True)
class EnergyModel:
    """A named way from counts to energy.

    Parameters
    ----------
    name
        Its name in profiles and reports.
    formula
        The energy, in one line for people.
    convention
        Which synapses it counts.
    terms
        What it charges for.
    caveat
        What a reader must know to judge the figure.
    dense
        Name of the dense baseline; empty if there is none.
    dense_terms
        What a pass of the baseline is charged for.
    inside
        What the constants of other terms already include.
    target
        Name of the target whose hardware the constants are of; empty if they are of none.
    omits
        What it leaves out, in one line.
    source
        Where the model is from: authors, title, place.
    link
        Address of the source, https://; empty if it has none.
    fair_terms
        What a pass of a dense net with as many bits as the graph's neurons send is charged for,
        see :func:`edgespike.energy.shapes.activation_bits`; empty if there is none.
    own
        Whether it was defined in a user's profile.
    """

    name: str
    formula: str
    convention: Convention
    terms: tuple[Term, ...]
    caveat: str
    dense: str = ""
    dense_terms: tuple[Term, ...] = ()
    inside: tuple[Quantity, ...] = ()
    target: str = ""
    omits: str = ""
    source: str = ""
    link: str = ""
    fair_terms: tuple[Term, ...] = ()
    own: bool = False

    def constant_names(self) -> set[str]:
        """Return the names of the constants that a profile needs for this model."""
        terms = self.terms + self.dense_terms + self.fair_terms
        return {name for term in terms for name in term.constant_names()}

    @property
    def equations(self) -> tuple[str, ...]:
        """One line for each term; the energy is their sum."""
        return tuple(term.equation for term in self.terms)
