"""Where a graph can run. Each target is imported when it is first used.

Names are those of runtimes; a target's default runtime has the target's name. Third parties add a
target through the entry-point group ``edgespike.targets``: one entry point for each runtime, each
naming the same :class:`edgespike.targets.base.Target`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from edgespike import plugins
from edgespike.errors import EdgespikeError, UnsupportedError, shown

if TYPE_CHECKING:
    from edgespike.counting import Tally
    from edgespike.counting.arrivals import Placement
    from edgespike.counting.instructions import Instructions
    from edgespike.graph import Graph
    from edgespike.targets.base import Runner, Runtime, Target

BUILT_IN: dict[str, str] = {
    "cpu": "edgespike.targets.cpu:TARGET",
    "loihi": "edgespike.targets.loihi:TARGET",
    "tflite": "edgespike.targets.tflite:TARGET",
    "tflite-reference": "edgespike.targets.tflite:TARGET",
    "tflite-runtime": "edgespike.targets.tflite:TARGET",
    "onnx": "edgespike.targets.onnx:TARGET",
    "c": "edgespike.targets.c:TARGET",
}
"""The runtimes of this package, each with the ``module:attribute`` of its target."""


class UnknownTargetError(EdgespikeError):
    """No runtime has this name."""


class DuplicateTargetError(EdgespikeError):
    """Two packages offer a runtime of the same name."""


def runtime_names() -> list[str]:
    """Return the names of all runtimes, built in and of third parties."""
    return list(_sources())


def get_target(name: str) -> Target:
    """Import the target that a runtime belongs to.

    Raises
    ------
    UnknownTargetError
        No runtime has this name.
    DuplicateTargetError
        Two packages offer a runtime of the same name.
    """
    from edgespike.targets.base import Target

    sources = _sources()
    if not isinstance(name, str) or name not in sources:
        known = ", ".join(sources)
        raise UnknownTargetError(f"no target is named {shown(name)}; there are: {known}")
    return plugins.load(sources[name], Target)


def with_kernels(name: str, kernels: Mapping[str, str]) -> Target:
    """Return a target by the name of any of its runtimes, with kernels of layers.

    Parameters
    ----------
    name
        As for :func:`get_target`.
    kernels
        Names of kernels by the layers' names; none leaves the target as it is.

    Raises
    ------
    UnknownTargetError, DuplicateTargetError
        As for :func:`get_target`.
    UnsupportedError
        The target offers no choice of kernels.
    """
    target = get_target(name)
    if not kernels:
        return target
    if target.with_kernels is None:
        raise UnsupportedError(
            f"target {name!r} has no kernels to choose from",
            ["leave them out, or name the target c"],
        )
    return target.with_kernels(kernels)


def get_runtime(name: str) -> Runtime:
    """Import a runtime's target and return the runtime.

    Parameters and errors are those of :func:`get_target`.
    """
    return _runtime(get_target(name), name)


def prepare(graph: Graph, name: str = "cpu") -> Runner:
    """Prepare a graph on a runtime, for any number of runs.

    Use it where samples arrive one by one, or where answers and event counts of the same run are
    needed::

        runner = edgespike.prepare(graph, "cpu")
        for samples in stream:
            tally = runner.tally(samples)  # tally.accumulators, tally.events

    :class:`edgespike.counting.Counter` turns a tally into counts. The runner keeps the graph and
    the memory that its runs need until it is dropped.

    Parameters
    ----------
    graph
        The graph.
    name
        Name of the runtime.

    Raises
    ------
    UnknownTargetError, DuplicateTargetError
        As for :func:`get_target`.
    InputError
        ``graph`` is not a graph.
    UnsupportedError
        The target cannot compute the graph exactly; all reasons are listed.
    EnvironmentMissingError
        The runtime is not installed.
    """
    target = get_target(name)
    target.check(graph)
    return _runtime(target, name).prepare(graph)


def _runtime(target: Target, name: str) -> Runtime:
    for runtime in target.runtimes:
        if runtime.name == name:
            return runtime
    known = ", ".join(runtime.name for runtime in target.runtimes)
    raise UnknownTargetError(
        f"target {target.name} has no runtime named {shown(name)}; there are: {known}"
    )


def refusals(graph: Graph) -> Callable[[str], list[str]]:
    """Return a function that lists what the target of a name cannot do exactly in a graph."""

    @cache  # several energy models speak of one target
    def of(name: str) -> list[str]:
        return get_target(name).violations(graph)

    return of


def placement_of(graph: Graph, names: Iterable[str]) -> Placement | None:
    """Return the placement of a graph on the first of some targets that has one and can run it."""
    for name in names:
        target = get_target(name)
        if target.placement is not None and not target.violations(graph):
            found = target.placement(graph)
            if found is not None:
                return found
    return None


def instructions_of(
    graph: Graph, tally: Tally, names: Iterable[str]
) -> Callable[[], Mapping[str, Instructions]]:
    """Return a function that gives a sample's instructions on every core of some targets."""

    @cache
    def of() -> Mapping[str, Instructions]:
        found: dict[str, Instructions] = {}
        for name in names:
            target = get_target(name)
            if target.instructions is not None and not target.violations(graph):
                found.update(target.instructions(graph, tally.events, tally.samples))
        return found

    return of


def _sources() -> dict[str, str]:
    return plugins.sources("target", BUILT_IN, DuplicateTargetError)
