"""Methods that spectral pruning is compared with and that keep all units: sparse, low rank.

Each function changes matrices of a model in place so that a given number of weights is left; biases
do not count. Since training would undo this, it returns a `Limited`, to be called after each step
of an optimiser. Not all details of the papers that these methods come from are known: see
`edgespike.prune.choosing.choice.Options`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from edgespike.errors import InputError

Matrix = tuple[nn.Module, str]
"""A module, and the name of a parameter of two or more dimensions."""


@dataclass(frozen=True)
class Limited:
    """Matrices that must keep their pruned weights at 0, or their lowered rank.

    Calling it projects each matrix onto the nearest one that is allowed. While fine-tuning, call it
    after each step, or let torch do so: ``optimiser.register_step_post_hook(pruned.limited)``.

    Attributes
    ----------
    weights
        Number of weights left.
    projections
        For each matrix, the function that returns the nearest allowed one.
    """

    weights: int
    projections: tuple[tuple[Matrix, Callable[[Tensor], Tensor]], ...]

    def __call__(self, *_: object) -> None:
        """Project the weights; arguments, such as those of a hook, are ignored."""
        with torch.no_grad():
            for matrix, project in self.projections:
                weight = _weight(matrix)
                weight.copy_(project(weight))


def _masked(matrices: Sequence[Matrix], masks: Sequence[Tensor]) -> Limited:
    def projection(mask: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda weight: weight * mask

    return _limited(
        int(sum(mask.sum() for mask in masks)),
        [(matrix, projection(mask)) for matrix, mask in zip(matrices, masks, strict=True)],
    )


def _limited(
    weights: int, projections: Sequence[tuple[Matrix, Callable[[Tensor], Tensor]]]
) -> Limited:
    limited = Limited(weights, tuple(projections))
    limited()
    return limited


def sparsify(
    matrices: Sequence[Matrix], budget: int, scope: Literal["all", "each"] = "all"
) -> Limited:
    """Keep the ``budget`` weights of largest magnitude, and set the others to zero.

    Parameters
    ----------
    matrices
        The matrices to prune.
    budget
        Number of weights left in all of them together, at least 1.
    scope
        Whether weights compete with "all" others, or within "each" matrix for its share, which is
        rounded down.

    Raises
    ------
    InputError
        The budget is below 1.
    """
    if budget < 1:
        raise InputError(f"the budget is {budget} weights; magnitude pruning needs at least 1")
    sizes = [_weight(matrix).numel() for matrix in matrices]
    magnitudes = [_weight(matrix).detach().abs().flatten() for matrix in matrices]
    budget = min(budget, sum(sizes))
    if scope == "all":
        kept = torch.split(_largest(torch.cat(magnitudes), budget), sizes)
    else:
        shares = [budget * size // sum(sizes) for size in sizes]
        kept = tuple(_largest(m, share) for m, share in zip(magnitudes, shares, strict=True))
    shapes = [_weight(matrix).shape for matrix in matrices]
    return _masked(matrices, [m.reshape(s) for m, s in zip(kept, shapes, strict=True)])


def lower_rank(matrices: Sequence[Matrix], budget: int) -> Limited:
    """Lower the rank of matrices to the largest one that the budget allows, the same for all.

    The weights of the two factors, (rows, rank) and (rank, columns), are counted; the model holds
    their product. A matrix with fewer weights than its factors would have is left unchanged.

    Parameters
    ----------
    matrices
        (rows, columns); the gates of a layer are one matrix.
    budget
        Largest number of weights of all factors together.

    Raises
    ------
    InputError
        The budget is too small for rank 1.
    """
    shapes = [_weight(matrix).shape for matrix in matrices]
    rank = budget // sum(rows + columns for rows, columns in shapes)
    if rank < 1:
        raise _too_little(budget, "rank 1 needs", sum(map(sum, shapes)))
    factored = [
        (matrix, lambda weight: _of_rank(weight, rank))
        for matrix, (rows, columns) in zip(matrices, shapes, strict=True)
        if rank * (rows + columns) < rows * columns
    ]
    weights = sum(min(rank * (rows + columns), rows * columns) for rows, columns in shapes)
    return _limited(weights, factored)


def drop_columns(matrices: Sequence[Matrix], budget: int, norm: Literal[1, 2] = 2) -> Limited:
    """Keep the columns of largest norm, equally many in each matrix, and set the others to zero.

    A column holds the weights through which one unit sends its value.

    Parameters
    ----------
    matrices
        The matrices to prune, (rows, columns).
    budget
        Largest number of weights of all remaining columns together.
    norm
        1 or 2.

    Raises
    ------
    InputError
        The budget is too small for a column.
    """
    shapes = [_weight(matrix).shape for matrix in matrices]
    count = budget // sum(rows for rows, _ in shapes)
    if count < 1:
        raise _too_little(budget, "a column needs", sum(rows for rows, _ in shapes))
    masks = []
    for matrix in matrices:
        weight = _weight(matrix).detach()
        norms = torch.linalg.vector_norm(weight, ord=norm, dim=0)
        masks.append(_largest(norms, min(count, len(norms))).expand_as(weight))
    return _masked(matrices, masks)


def _weight(matrix: Matrix) -> Tensor:
    module, name = matrix
    weight: Tensor = getattr(module, name)
    return weight


def _of_rank(weight: Tensor, rank: int) -> Tensor:
    """Return the nearest matrix of a given rank, by singular values."""
    left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
    nearest: Tensor = left[:, :rank] * values[:rank] @ right[:rank]
    return nearest.to(weight)


def _largest(values: Tensor, count: int) -> Tensor:
    """Return a mask of the ``count`` largest values; of equal values the first are marked."""
    mask = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    mask[torch.argsort(values, descending=True, stable=True)[:count]] = True
    return mask


def _too_little(budget: int, what: str, least: int) -> InputError:
    return InputError(
        f"the budget leaves {budget} weights for the matrices to change, but {what} {least}; "
        "keep more units, or change all matrices (Options.matrices)"
    )
