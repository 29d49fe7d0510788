"""An order in which a file's nodes compute, and the edges that wait a step to close a loop.

A simulator computes a loop of neurons in steps: a layer that is fed back gets the spikes of the
previous step. NIR does not say which edge of a loop waits. Here it is one that leaves neurons,
since simulators feed spikes back (snnTorch's RLeaky adds the bias of its recurrent layer at the
first step, too), and of several the one furthest from the input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

Edge = tuple[str, str]


def distances(edges: Sequence[Edge], start: str) -> dict[str, int]:
    """Return how many edges each node is away from a node, of those that it leads to."""
    after = _neighbours(edges)
    found, queue = {start: 0}, deque([start])
    while queue:
        node = queue.popleft()
        for following in after.get(node, ()):
            if following not in found:
                found[following] = found[node] + 1
                queue.append(following)
    return found


def ordered(
    edges: Sequence[Edge],
    start: str,
    neurons: Collection[str],
    delays: Collection[str],
    faults: list[str],
) -> tuple[list[str], list[Edge]]:
    """Order nodes so that each comes after its inputs.

    Parameters
    ----------
    edges
        Between nodes that the start leads to.
    start
        The input.
    neurons
        Nodes whose edges may wait a step.
    delays
        Delays of a step or more: what they give does not depend on what they get now.
    faults
        Gets a line for a loop that has neither.

    Returns
    -------
    order, waiting
        The nodes, and the edges that wait a step. Inputs of delays may come later.
    """
    far = distances(edges, start)
    open_: dict[str, set[str]] = {node: set() for node in far}
    for source, to in edges:
        if to not in delays:
            open_[to].add(source)
    after = _neighbours(edges)
    order: list[str] = []
    waiting: list[Edge] = []
    ready = deque(node for node in far if not open_[node])
    placed: set[str] = set()
    while True:
        while ready:
            node = ready.popleft()
            placed.add(node)
            order.append(node)
            for following in after.get(node, ()):
                if node in open_[following]:
                    open_[following].discard(node)
                    if not open_[following]:
                        ready.append(following)
        left = {node for node in far if node not in placed}
        if not left:
            return order, waiting
        cut = _cut(open_, left, neurons, far)
        if cut is None:
            loop = " -> ".join(_loop(open_, left))
            faults.append(
                f"a cycle without delay: {loop}; each loop needs neurons or a Delay of a step"
            )
            return order, waiting
        source, to = cut
        waiting.append(cut)
        open_[to].discard(source)
        if not open_[to]:
            ready.append(to)


def _cut(
    open_: dict[str, set[str]], left: set[str], neurons: Collection[str], far: dict[str, int]
) -> Edge | None:
    """Return the edge that waits: from neurons in a loop, furthest from the input."""
    inside = _in_loops(open_, left)
    choices = [
        (far[source], far[to], source, to)
        for to in sorted(left, key=lambda node: (far[node], node))
        for source in sorted(open_[to])
        if source in neurons and source in left and inside.get(source) == inside.get(to, -1)
    ]
    if not choices:
        return None
    _, _, source, to = max(choices)
    return source, to


def _in_loops(open_: dict[str, set[str]], left: set[str]) -> dict[str, int]:
    """Return the number of the loop that each node is in, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    number: dict[str, int] = {}
    for root in sorted(left):
        if root in index:
            continue
        work = [(root, iter(sorted(open_[root] & left)))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            node, sources = work[-1]
            for source in sources:
                if source not in index:
                    index[source] = low[source] = len(index)
                    stack.append(source)
                    work.append((source, iter(sorted(open_[source] & left))))
                    break
                if source not in number:
                    low[node] = min(low[node], index[source])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part = stack[stack.index(node) :]
                    del stack[stack.index(node) :]
                    # Below -1 where a node is in no loop: no two of these are equal.
                    looped = len(part) > 1 or node in open_[node]
                    number |= dict.fromkeys(part, index[node] if looped else -2 - index[node])
    return number


def _loop(open_: dict[str, set[str]], left: set[str]) -> list[str]:
    """Return the nodes of one loop, the first again at the end."""
    node = min(left)
    path: list[str] = []
    while node not in path:
        path.append(node)
        node = min(open_[node] & left)
    loop = path[path.index(node) :]
    return [*reversed(loop), loop[-1]]


def _neighbours(edges: Sequence[Edge]) -> dict[str, list[str]]:
    after: dict[str, list[str]] = {}
    for source, to in edges:
        after.setdefault(source, []).append(to)
    return after
