"""From a NIR file to a net in real numbers, and to a graph."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from edgespike.converters.base import ConvertOptions
from edgespike.converters.nir.assemble import Assembly
from edgespike.converters.nir.dialect import Dialect, dialect_of
from edgespike.converters.nir.layers import Part, Shape, carried, delays, part_of
from edgespike.converters.nir.metadata import has_graph, restored
from edgespike.converters.nir.net import NirNet, read_nir
from edgespike.converters.nir.order import distances, ordered
from edgespike.converters.nir.schema import INTEGRATORS, NEURONS, PRIMITIVES
from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatNet, FloatNeurons, Reals
from edgespike.floats.run import run_steps
from edgespike.graph.graph import NAME_LIMIT
from edgespike.quantise import quantise
from edgespike.quantise.result import Quantised, Source

SOURCE = "a NIR file"


def quantised(path: Path, options: ConvertOptions) -> Quantised:
    """Quantise a NIR file's net, and say what was assumed and what that changed.

    Raises
    ------
    FileFormatError
        The file cannot be read.
    UnsupportedError
        Lists everything in it that is not converted, and the options that are missing.
    EnvironmentMissingError
        h5py is not installed.
    """
    net = _read(path)
    if options.producer is None and has_graph(net):
        return _own(path, net, options)
    name = options.graph_name(_fit_name(path.stem))
    read = _float_net(path, net, options)
    return replace(quantise(read, options, name), source=Source(read, partial(_values, read)))


def _values(net: FloatNet, samples: Reals) -> dict[str, Reals]:
    """Return what the net as it was read computes: a file has no simulator of its own to run."""
    names = [node.name for node in net.of_type(FloatNeurons)]
    kept: dict[str, list[Reals]] = {name: [] for name in names}
    last: Reals = np.zeros(0)
    for values in run_steps(net, samples):
        last = values[net.nodes[-1].name]
        for name in names:
            kept[name].append(values[name])
    return {name: np.stack(steps, 1) for name, steps in kept.items()} | {net.nodes[-1].name: last}


def _own(path: Path, net: NirNet, options: ConvertOptions) -> Quantised:
    """Return the graph that edgespike wrote, from its metadata."""
    graph = restored(path, net)
    unused = [
        f"{name} is given, but the file holds edgespike's own graph; leave it out, or give "
        "producer too, so that the file is read as any other"
        for name in options.given
        if name != "name"
    ]
    _raise(path, unused)
    if options.name is not None:
        graph = replace(graph, name=options.name)
    said = ("The graph is the one that the file was written from, as its metadata say.",)
    return Quantised(graph, FloatNet((), graph.steps), {}, exact=True, assumed=said)


def _fit_name(stem: str) -> str:
    """Return a graph's name for a file's."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", stem)[:NAME_LIMIT]
    return name if re.match(r"[A-Za-z0-9_]", name) else "model"


def float_net(path: Path, options: ConvertOptions) -> FloatNet:
    """Read a NIR file as a net in real numbers; errors are those of :func:`quantised`."""
    return _float_net(path, _read(path), options)


def _read(path: Path) -> NirNet:
    faults: list[str] = []
    net = read_nir(path, faults)
    _raise(path, faults)
    return net


def _float_net(path: Path, net: NirNet, options: ConvertOptions) -> FloatNet:
    faults: list[str] = []
    start, end = _only(net, "Input", faults), _only(net, "Output", faults)
    dialect = dialect_of(net, options, faults)
    shape = _input_shape(net, start, options, faults)
    steps = _steps(options, shape, faults)
    _drop_unused(net, start, end, faults)
    parts = _parts(net, start, end, shape, dialect, faults)
    # A second pass over half a net would blame what follows for what is missing.
    _raise(path, faults)
    order, waiting = ordered(
        net.edges,
        start,
        {node for node in net.nodes if net.nodes[node].kind in NEURONS},
        {node for node in net.nodes if delays(net.nodes[node], dialect)},
        faults,
    )
    _check_integrators(net, end, faults)
    _raise(path, faults)
    assembly = Assembly(net, parts, dialect, waiting)
    return assembly.net_of(order, end, options, (*net.assumed, *dialect.assumed), steps)


def _raise(path: Path, faults: list[str]) -> None:
    if faults:
        raise UnsupportedError(f"{path} cannot be converted", dict.fromkeys(faults))


def _only(net: NirNet, kind: str, faults: list[str]) -> str:
    found = [node.path for node in net.nodes.values() if node.kind == kind]
    if len(found) != 1:
        listed = f": {', '.join(found)}" if found else ""
        faults.append(
            f"the file has {len(found)} nodes of type {kind}{listed}; it must have one, so split "
            "or join the net"
        )
    return found[0] if found else ""


def _input_shape(net: NirNet, start: str, options: ConvertOptions, faults: list[str]) -> Shape:
    """Return the shape of a sample's step, without a batch."""
    if start not in net.nodes:
        return ()
    declared = [float(size) for size in net.nodes[start].arrays["shape"].ravel()]
    shape = tuple(int(size) for size in declared if 0 < size < 2**31 and size == int(size))
    if options.input_shape is not None:
        given = options.input_shape
        if len(shape) == len(declared) and shape and prod(given) != prod(shape):
            faults.append(f"input_shape is {given}, but {start} has shape {shape}; leave it out")
        return given
    if len(shape) != len(declared) or not shape:
        faults.append(
            f"{start}.shape is {declared}; it must be positive whole numbers, or give input_shape"
        )
        return ()
    dense = any(net.nodes[to].kind in ("Affine", "Linear", *NEURONS)
                for source, to in net.edges if source == start)  # fmt: skip
    while (len(shape) > 3 or (dense and len(shape) == 2)) and shape[0] == 1:
        net.assumed.append(f"The first axis of {start}'s shape {shape} is taken for a batch.")
        shape = shape[1:]
    if len(shape) > 3:
        faults.append(
            f"{start} has shape {shape}; values have at most three axes, (channels, height, width)"
        )
    return shape


def _steps(options: ConvertOptions, shape: Shape, faults: list[str]) -> int:
    samples = options.calibrate
    if options.steps is not None:
        return options.steps
    if samples is not None and samples.ndim >= 2 + len(shape):
        return int(samples.shape[1])
    faults.append(
        f"steps is missing, and {SOURCE} does not state it; give the steps of a sample, or samples "
        "(samples, steps, *input_shape) to calibrate with"
    )
    return 1


def _drop_unused(net: NirNet, start: str, end: str, faults: list[str]) -> None:
    """Leave out nodes that lead nowhere; note those that nothing leads to."""
    back = distances([(to, source) for source, to in net.edges], end)
    forth = distances(net.edges, start)
    for path in list(net.nodes):
        if path not in back:
            net.assumed.append(f"{path} leads to no output and is left out.")
            del net.nodes[path]
        elif path not in forth:
            faults.append(f"{path} gets nothing from the input; connect it or remove it")
    net.edges = [(a, b) for a, b in net.edges if a in net.nodes and b in net.nodes]


def _parts(
    net: NirNet, start: str, end: str, shape: Shape, dialect: Dialect, faults: list[str]
) -> dict[str, Part]:
    """Convert each node as soon as the shape of one of its inputs is known."""
    if start not in net.nodes:
        return {}
    parts = {start: Part((), shape)}
    after: dict[str, list[str]] = {}
    for source, to in net.edges:
        after.setdefault(source, []).append(to)
    reached, queue = {start}, [start]
    while queue:
        source = queue.pop(0)
        for to in after.get(source, ()):
            if to not in reached and to in net.nodes:
                reached.add(to)
                if part := part_of(net.nodes[to], parts[source].shape, dialect, faults):
                    parts[to] = part
                    queue.append(to)
    for source, to in net.edges:
        gets = parts.get(source)
        first = next((parts[s] for s in net.sources(to) if s in parts), None)
        if gets and first and carried(gets.shape) != carried(first.shape):
            faults.append(
                f"{to} adds values of shapes {first.shape} and {gets.shape} (from {source}); all "
                "must be equal"
            )
    return parts


def _check_integrators(net: NirNet, end: str, faults: list[str]) -> None:
    for source, to in net.edges:
        kind = net.nodes[source].kind
        if kind in INTEGRATORS and to != end and net.nodes[to].kind != "Identity":
            near = "LIF" if kind == "LI" else kind.replace("LI", "LIF") if kind != "I" else "IF"
            faults.append(
                f"{source} ({kind}) gives potentials to {to}; only the last node may, the nearest "
                f"that fires is {near} ({PRIMITIVES[near].becomes})"
            )
