"""Where a graph can run. Each target is imported only when it is asked for.

A name is that of a runtime; a target's default runtime has the target's name. Third parties add a
target through entry points of the group ``edgespike.targets``, one for each of its runtimes, that
name a :class:`edgespike.targets.base.Target`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike import plugins
from edgespike.errors import EdgespikeError, shown

if TYPE_CHECKING:
    from edgespike.graph import Graph
    from edgespike.targets.base import Runner, Runtime, Target

BUILT_IN: dict[str, str] = {
    "cpu": "edgespike.targets.cpu:TARGET",
    "loihi": "edgespike.targets.loihi:TARGET",
    "tflite": "edgespike.targets.tflite:TARGET",
    "tflite-reference": "edgespike.targets.tflite:TARGET",
    "tflite-runtime": "edgespike.targets.tflite:TARGET",
}
"""The runtimes of this package: name to ``module:attribute`` of the target."""


class UnknownTargetError(EdgespikeError):
    """No runtime of any target has the name that was asked for."""


class DuplicateTargetError(EdgespikeError):
    """Two packages offer a runtime of one name."""


def runtime_names() -> list[str]:
    """Name the runtimes of all targets, built in and of third parties."""
    return list(_sources())


def get_target(name: str) -> Target:
    """Import and return the target that a runtime of this name belongs to.

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


def get_runtime(name: str) -> Runtime:
    """Import a target and return its runtime of this name.

    Raises
    ------
    UnknownTargetError
        There is none.
    DuplicateTargetError
        There are two.
    """
    target = get_target(name)
    for runtime in target.runtimes:
        if runtime.name == name:
            return runtime
    known = ", ".join(runtime.name for runtime in target.runtimes)
    raise UnknownTargetError(
        f"target {target.name} has no runtime named {shown(name)}; there are: {known}"
    )


def prepare(graph: Graph, name: str = "cpu") -> Runner:
    """Prepare a graph on a runtime; the runner then runs any number of batches.

    Raises
    ------
    UnknownTargetError, DuplicateTargetError
        As for :func:`get_runtime`.
    InputError
        ``graph`` is not a graph.
    UnsupportedError
        The target cannot do the graph exactly; all reasons are listed.
    EnvironmentMissingError
        The runtime is not installed.
    """
    runtime = get_runtime(name)
    get_target(name).check(graph)
    return runtime.prepare(graph)


def _sources() -> dict[str, str]:
    return plugins.sources("target", BUILT_IN, DuplicateTargetError)
