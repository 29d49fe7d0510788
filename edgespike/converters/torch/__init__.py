"""From torch modules of :mod:`edgespike.nn`, and from checkpoints of them, to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgespike.converters.base import Converter, ConvertOptions, class_distance
from edgespike.converters.torch.kinds import holds_own_layers

if TYPE_CHECKING:
    from edgespike.graph import Graph


def _accepts(model: Any) -> int | None:
    distance = class_distance(model, "torch.nn.modules.module.Module")
    return distance if distance is not None and holds_own_layers(model) else None


def _convert(module: Any, options: ConvertOptions) -> Graph:
    from edgespike.converters.torch.modules import convert_module

    shape = options.required_shape("a torch module")
    return convert_module(module, shape, options.graph_name())


CONVERTER = Converter(
    name="torch",
    summary="torch modules built of the layers in edgespike.nn",
    convert=_convert,
    options=("input_shape", "name"),
    accepts=_accepts,
)
