"""Places where a graph can run. Each is imported only when it is asked for.

Third parties add a target through an entry point of the group ``edgespike.targets`` that names a
:class:`edgespike.targets.base.Target`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike import plugins
from edgespike.errors import EdgespikeError, shown

if TYPE_CHECKING:
    from edgespike.targets.base import Target

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
    return plugins.load(sources[name], Target)


def _sources() -> dict[str, str]:
    return plugins.sources("target", BUILT_IN, DuplicateTargetError)
