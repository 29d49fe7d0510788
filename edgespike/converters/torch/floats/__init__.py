"""From any torch module in evaluation mode to a net in real numbers, and from there to a graph.

The module is read with ``torch.export`` (torch 2.13, ``strict=False``) and not with symbolic
tracing of ``torch.fx``. Both give a list of calls; export was chosen because

- it knows the shape of every value, so code that looks at shapes (``x.view(x.size(0), -1)``,
  ``if x.shape[-1] > 7``) runs as it is; tracing hands such code a stand-in and fails;
- it gives few, normalised operators (``F.relu``, ``x.relu_()`` and ``nn.ReLU`` are one), with
  in-place changes and views turned into values, which tracing leaves to its reader;
- it refuses control flow that depends on values; tracing a user's loop keeps what one pass did;
- every call knows its module's path and the user's line.

Its price is about two seconds, once, for the import of torch's compiler. The module is shown a
batch of two samples, so that whatever mixes the samples of a batch is noticed and refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgespike.converters.base import Converter, ConvertOptions, class_distance
from edgespike.converters.torch.kinds import holds_own_layers

if TYPE_CHECKING:
    from edgespike.quantise.result import Quantised


def _accepts(model: Any) -> int | None:
    distance = class_distance(model, "torch.nn.modules.module.Module")
    return None if distance is None or holds_own_layers(model) else distance


def _convert(module: Any, options: ConvertOptions) -> Quantised:
    from edgespike.converters.torch.floats.quantising import convert_float_module

    return convert_float_module(module, options)


CONVERTER = Converter(
    name="torch-floats",
    summary="any torch module in evaluation mode, quantised after training",
    convert=_convert,
    options=(
        "input_shape",
        "input_range",
        "input_scale",
        "bits",
        "levels",
        "calibrate",
        "labels",
        "name",
    ),
    accepts=_accepts,
)
