"""The primitives of NIR 1.0.8, their fields, and the nodes of a file that have them.

Meanings are those of ``nir/ir`` in nir 1.0.8. Files are read leniently, where their meaning is
clear: what its own reader adds or checks besides is not asked for, since public files fail there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.nir.hdf5 import Tree
from edgespike.errors import shown
from edgespike.floats.net import Reals


@dataclass(frozen=True)
class Primitive:
    """One type of node.

    Parameters
    ----------
    fields
        Arrays that it must have.
    optional
        Arrays that it may lack.
    texts
        Those of them that may be a text.
    meaning
        What it computes.
    becomes
        What it is converted to.
    writes
        What of a graph is written as it; empty if nothing is.
    """

    fields: tuple[str, ...]
    meaning: str
    becomes: str
    optional: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    writes: str = ""


_CONV = ("stride", "padding", "dilation", "groups", "bias", "input_shape")

PRIMITIVES: dict[str, Primitive] = {
    "Input": Primitive(("shape",), "the input of a step", "the input", writes="the input"),
    "Output": Primitive((), "the output of a step", "the readout", ("shape",), (), "the readout"),
    "Affine": Primitive(
        ("weight", "bias"), "`W x + b`", "a dense layer", writes="a dense layer"
    ),
    "Linear": Primitive(("weight",), "`W x`", "a dense layer"),
    "Conv1d": Primitive(
        ("weight",), "a convolution of (channels, length)", "a convolution of height 1", _CONV,
        ("padding",),
    ),
    "Conv2d": Primitive(
        ("weight",), "a convolution; `padding` may be 'same' or 'valid'", "a convolution", _CONV,
        ("padding",), "a convolution",
    ),
    "SumPool2d": Primitive(
        ("kernel_size", "stride"), "the sum of a window", "a sum pool", ("padding",), (),
        "a sum pool",
    ),
    "AvgPool2d": Primitive(
        ("kernel_size", "stride"), "the mean of a window, padding included", "an average pool",
        ("padding",),
    ),
    "Flatten": Primitive(
        (), "axes joined; `start_dim` and `end_dim` do not count a batch", "a reshape",
        ("start_dim", "end_dim", "input_type"), (), "a reshape to one axis",
    ),
    "Scale": Primitive(("scale",), "`s x`, element by element", "a scale a channel"),
    "Threshold": Primitive(
        ("threshold",), "1 where `x > threshold`, else 0",
        "neurons that keep nothing from step to step", (), (), "single thresholds",
    ),
    "Delay": Primitive(
        ("delay",), "`x` of `delay` seconds ago", "a delay of whole steps", (), (), "a delay",
    ),
    "LIF": Primitive(
        ("tau", "r", "v_leak", "v_threshold"),
        "`tau dv/dt = (v_leak - v) + r x`, a spike where `v > v_threshold`",
        "leaky neurons", ("v_reset",), (), "a membrane with leak",
    ),
    "IF": Primitive(
        ("r", "v_threshold"), "`dv/dt = r x`, a spike where `v > v_threshold`",
        "neurons without leak", ("v_reset",), (), "a membrane without leak",
    ),
    "LI": Primitive(
        ("tau", "r", "v_leak"), "as LIF, without spikes", "potentials, at the end of the net"
    ),
    "I": Primitive(("r",), "as IF, without spikes", "potentials, at the end of the net"),
    "CubaLIF": Primitive(
        ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"),
        "`tau_syn di/dt = -i + w_in x`, `tau_mem dv/dt = (v_leak - v) + r i`, spikes as LIF",
        "leaky neurons with a synaptic current", ("v_reset", "w_in"), (),
        "a membrane with a synaptic current",
    ),
    "CubaLI": Primitive(
        ("tau_syn", "tau_mem", "r", "v_leak"), "as CubaLIF, without spikes",
        "potentials, at the end of the net", ("w_in",),
    ),
    "NIRGraph": Primitive(
        ("nodes", "edges"), "a graph of nodes; edges into one node add up", "its nodes, in place"
    ),
}  # fmt: skip
"""By their name in files."""

SPIKING = ("LIF", "IF", "CubaLIF")
INTEGRATORS = ("LI", "I", "CubaLI")
NEURONS = (*SPIKING, *INTEGRATORS)
"""What keeps a state beside delays, so that a loop through it computes."""

IDENTITY = "Identity"
"""The inputs and outputs of nested graphs."""


@dataclass(frozen=True, eq=False)
class NirNode:
    """A node of a file.

    Parameters
    ----------
    path
        Names of the graphs that it is in, and its own, joined by dots.
    kind
        Name of its primitive, or :data:`IDENTITY`.
    arrays
        Its fields, in float64.
    texts
        Its fields that are texts.
    single
        Fields that the file holds in float32 or less.
    """

    path: str
    kind: str
    arrays: dict[str, Reals]
    texts: dict[str, str]
    single: frozenset[str] = frozenset()


def read_node(path: str, kind: str, tree: Tree, faults: list[str]) -> NirNode:
    """Read a node's fields, and note those that are missing or wrong."""
    primitive = PRIMITIVES[kind]
    arrays: dict[str, Reals] = {}
    texts: dict[str, str] = {}
    single = set()
    for name in (*primitive.fields, *primitive.optional):
        value = tree.get(name)
        if value is None:
            if name in primitive.fields:
                near = difflib.get_close_matches(name, tree, 1)
                hint = f", did you mean {near[0]}" if near else ""
                faults.append(f"{path} ({kind}) lacks {name}{hint}; it needs {_all(primitive)}")
        elif isinstance(value, str) and name in primitive.texts:
            texts[name] = value
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            arrays[name] = value.astype(np.float64)
            if value.dtype.kind == "f" and value.dtype.itemsize < 8:
                single.add(name)
            faults += [f"{path}.{name} {fault}" for fault in _wrong(name, kind, arrays[name])]
        else:
            faults.append(f"{path}.{name} is {shown(value)}; it must be numbers")
    return NirNode(path, kind, arrays, texts, frozenset(single))


def _all(primitive: Primitive) -> str:
    return ", ".join(primitive.fields)


def _wrong(name: str, kind: str, values: NDArray[Any]) -> Iterator[str]:
    if not values.size:
        yield f"has shape {values.shape}, without any number"
    elif np.isnan(values).any() or (name in ("weight", "bias") and not np.isfinite(values).all()):
        yield "holds values that are not finite; train or write the net again"


def unknown_kind(path: str, kind: object) -> str:
    """Return what is wrong with a node of an unknown type, with the nearest that is known."""
    known = [name for name in PRIMITIVES if name != "NIRGraph"]
    near: list[str] = []
    if isinstance(kind, str):
        inside = sorted((name for name in known if name in kind), key=len)
        near = difflib.get_close_matches(kind[:100], known, 1, 0.5) or inside[-1:]
    nearest = f"; the nearest that is read is {near[0]}" if near else ""
    return f"{path} is of type {shown(kind)}{nearest}; those read are {', '.join(known)}"
