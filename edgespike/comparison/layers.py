"""Which layers of two models correspond, and how their operations differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgespike.comparison.figures import Figures, LayerFigures


@dataclass(frozen=True)
class LayerRow:
    """A layer of the first model, and what corresponds to it in the others.

    Parameters
    ----------
    layers
        One for each model; ``None`` where nothing corresponds.
    by_place
        Whether at least one of them has another name, and is matched by its place.
    """

    layers: tuple[LayerFigures | None, ...]
    by_place: bool

    @property
    def name(self) -> str:
        """The name in the first model that has the layer."""
        return next(layer.name for layer in self.layers if layer is not None)

    @property
    def complete(self) -> bool:
        """Whether every model has the layer."""
        return None not in self.layers

    def to_json(self) -> dict[str, Any]:
        """Return plain values; counts are totals over samples."""
        return {
            "matched": "place" if self.by_place else "name" if self.complete else None,
            "layers": [None if row is None else asdict(row) for row in self.layers],
        }


def layer_rows(models: Sequence[Figures]) -> list[LayerRow]:
    """Match the layers of every model with those of the first, and list what is left over.

    Layers of the same name correspond. Between two such layers, the others correspond in their
    order if both models have equally many there.
    """
    first, *others = (model.layers for model in models)
    matches = [dict(corresponding(first, other)) for other in others]
    rows = []
    for at, layer in enumerate(first):
        found = [
            other[match[at]] if at in match else None
            for match, other in zip(matches, others, strict=True)
        ]
        by_place = any(each is not None and each.name != layer.name for each in found)
        rows.append(LayerRow((layer, *found), by_place))
    for place, (match, other) in enumerate(zip(matches, others, strict=True), 1):
        left = (row for at, row in enumerate(other) if at not in match.values())
        for row in left:
            alone: list[LayerFigures | None] = [None] * len(models)
            alone[place] = row
            rows.append(LayerRow(tuple(alone), by_place=False))
    return rows


def corresponding(
    first: Sequence[LayerFigures], second: Sequence[LayerFigures]
) -> Iterator[tuple[int, int]]:
    """Yield the indices of layers that correspond, see :func:`layer_rows`."""
    places = {layer.name: at for at, layer in enumerate(second)}
    named = {at: places[layer.name] for at, layer in enumerate(first) if layer.name in places}
    yield from named.items()
    begin = (0, 0)
    for end in (*_in_order(named), (len(first), len(second))):
        left = [at for at in range(begin[0], end[0]) if at not in named]
        right = [at for at in range(begin[1], end[1]) if at not in named.values()]
        if len(left) == len(right):
            yield from zip(left, right, strict=True)
        begin = (end[0] + 1, end[1] + 1)


def _in_order(named: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs that both models have in the same order, skipping any that run back."""
    last = -1
    for pair in sorted(named.items()):
        if pair[1] > last:
            last = pair[1]
            yield pair
