"""Places where a graph can run. Each is imported only when it is asked for.

Third parties add a target through an entry point of the group ``edgespike.targets`` that names a
:class:`edgespike.targets.base.Target`.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from edgespike.errors import EdgespikeError, shown

if TYPE_CHECKING:
    from edgespike.targets.base import Target

GROUP = "edgespike.targets"

BUILT_IN: dict[str, str] = {
    "cpu": "edgespike.targets.cpu:TARGET",
    "loihi": "edgespike.targets.loihi:TARGET",
    "tflite": "edgespike.targets.tflite:TARGET",
    "tflite-reference": "edgespike.targets.tflite:REFERENCE_TARGET",
    "tflite-runtime": "edgespike.targets.tflite:RUNTIME_TARGET",
}
"""The targets of this package: name to ``module:attribute``."""


class UnknownTargetError(EdgespikeError):
    """No target has the name that was asked for."""


class DuplicateTargetError(EdgespikeError):
    """Two packages offer a target of one name."""


def target_names() -> list[str]:
    """Name all targets, built in and of third parties."""
    return list(_sources())


def get_target(name: str) -> Target:
    """Import and give the target of a name.

    Raises
    ------
    UnknownTargetError
        There is none.
    DuplicateTargetError
        There are two.
    """
    from edgespike.targets.base import Target

    sources = _sources()
    if not isinstance(name, str) or name not in sources:
        known = ", ".join(sources)
        raise UnknownTargetError(f"no target is named {shown(name)}; there are: {known}")
    module, _, attribute = sources[name].partition(":")
    target = getattr(import_module(module), attribute)
    if not isinstance(target, Target):
        raise TypeError(f"{sources[name]} is no edgespike.targets.base.Target")
    return target


def _sources() -> dict[str, str]:
    sources = dict(BUILT_IN)
    for point in _third_party(tuple(sys.path)):
        if point.name in sources:
            raise DuplicateTargetError(
                f"target {point.name!r} is offered by {sources[point.name]} and by "
                f"{point.value}; uninstall one of the two"
            )
        sources[point.name] = point.value
    return sources


@lru_cache(maxsize=1)  # looking through all that is installed takes as long as dozens of samples
def _third_party(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))
