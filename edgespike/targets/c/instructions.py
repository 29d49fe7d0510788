"""Instructions of a network in C on a core: amounts of work times coefficients that were fitted.

For each core, ``instructions.json`` holds a coefficient for each amount of
:mod:`edgespike.targets.c.amounts`, fitted to instructions that QEMU counted function by function,
and by how much the sum for a whole net was wrong where that net was left out of the fit. The file
also holds the measurements. ``benchmarks/c_instructions.py`` measures and fits anew.

Instructions are not cycles. They depend on the compiler and its options, which the file names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgespike.counting.instructions import Instructions
from edgespike.graph import Graph
from edgespike.graph.tensor import Integers
from edgespike.targets.c.amounts import FunctionWork, program_work
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.layout import Layout
from edgespike.targets.c.lower import lower
from edgespike.targets.c.program import Program

FORMAT = 1
"""The version of the data file."""

DATA = Path(__file__).with_name("instructions.json")

WITHIN = 0.9
"""Share of the nets that were left out whose error the stated range covers."""


@dataclass(frozen=True)
class CoreModel:
    """The instruction model of a core.

    Parameters
    ----------
    core
        Its name.
    coefficients
        Instructions of each amount.
    left_out
        For each net, what the model without it gives over what was measured, less 1.
    code
        Bytes of instructions: a constant, and so many for each character of C.
    stack
        Most bytes of stack that a net took.
    """

    core: str
    coefficients: Mapping[str, float]
    left_out: Mapping[str, float]
    code: tuple[float, float]
    stack: int

    @property
    def error(self) -> float:
        """The relative error that :data:`WITHIN` of the left-out nets keep."""
        return float(np.quantile(np.abs(list(self.left_out.values())), WITHIN))

    @property
    def worst(self) -> float:
        """The largest relative error of a left-out net."""
        return max(map(abs, self.left_out.values()))

    def of(self, work: FunctionWork) -> float:
        """Return the instructions of a function for a sample."""
        return sum(self.coefficients[name] * amount for name, amount in work.amounts.items())

    def estimate(self, works: list[FunctionWork], how: str) -> Instructions:
        """Return the instructions of a program for a sample."""
        layers = {work.node or "between layers": self.of(work) for work in works}
        typical = sum(layers.values())
        # The error is relative to what was measured, so the truth is the figure over 1 + error.
        low, high = typical / (1 + self.error), typical / (1 - self.error)
        return Instructions(self.core, typical, low, high, measured=False, how=how, layers=layers)


@cache
def core_models() -> Mapping[str, CoreModel]:
    """Return the models of all cores, by name."""
    return {
        core: CoreModel(
            core, row["coefficients"], row["left_out"], tuple(row["code"]), row["stack"]
        )
        for core, row in _data()["cores"].items()
    }


@cache
def _data() -> Any:
    return json.loads(DATA.read_text("utf-8"))


def compiled_with() -> str:
    """Return which compilers and options the figures are for."""
    data = _data()
    return f"{', '.join(data['compilers'])}, {data['options']}"


def nets_measured() -> int:
    """Return how many nets the models were fitted to."""
    return len(_data()["measurements"])


def instructions(
    graph: Graph,
    events: Mapping[str, Integers],
    samples: int,
    forced: Mapping[str, Kernel] | None = None,
) -> dict[str, Instructions]:
    """Return the instructions of a sample on every core, in the mean over a run.

    Parameters
    ----------
    graph
        The graph that ran.
    events, samples
        Of its tally, see :class:`edgespike.counting.Tally`.
    forced
        Kernels of layers instead of the chosen ones, by the layers' names.
    """
    program, layout = lower(graph, forced=forced)
    works = program_work(program, layout, events, samples)
    return {core: model.estimate(works, _how(model)) for core, model in core_models().items()}


def _how(model: CoreModel) -> str:
    return (
        f"fitted to {nets_measured()} nets under QEMU; of nets that were left out, {WITHIN:.0%} "
        f"are within {model.error:.1%}, all within {model.worst:.1%}"
    )


@dataclass(frozen=True)
class Footprint:
    """Memory of a network on a core, in bytes.

    Parameters
    ----------
    constants
        Weights, thresholds and other constants in flash, exactly, by layer.
    other_constants
        Those that belong to no layer.
    code
        Instructions in flash, estimated.
    memory
        The network's structure in RAM, at most.
    sample
        One step of the input, which the caller keeps.
    stack
        Most bytes of stack that a measured net took.
    arrays
        The largest part of ``memory`` that each node needs, by node.
    """

    constants: Mapping[str, int]
    other_constants: int
    code: int
    memory: int
    sample: int
    stack: int
    arrays: Mapping[str, int]

    @property
    def flash(self) -> int:
        """Bytes of flash."""
        return sum(self.constants.values()) + self.other_constants + self.code

    @property
    def ram(self) -> int:
        """Bytes of RAM."""
        return self.memory + self.sample + self.stack


def footprints(graph: Graph) -> dict[str, Footprint]:
    """Return the memory of a network on every core."""
    program, layout = lower(graph)
    constants, rest = _by_node(layout, program.flash)
    sizes = {array.name: array.bytes for array in program.arrays}
    arrays, _ = _by_node(layout, sizes)
    length = len(program.kernels.text()) + sum(map(len, program.functions))
    memory = _memory(program)
    sample = layout.values[graph.input.name].bytes
    return {
        core: Footprint(
            constants,
            rest,
            round(model.code[0] + model.code[1] * length),
            memory,
            sample,
            model.stack,
            arrays,
        )
        for core, model in core_models().items()
    }


def _memory(program: Program) -> int:
    """Return the bytes of a network's structure, as :class:`Written` states them."""
    kept = [array.bytes for array in program.arrays if array.first is None]
    shared = [max(array.bytes for array in slot) for slot in program.slots()]
    return 8 + sum(-(-size // 8) * 8 for size in (*kept, *shared))


def _by_node(layout: Layout, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Add up sizes by the node whose identifier ends a name; return what is left too."""
    found: dict[str, int] = {}
    rest = 0
    ends = sorted(layout.identifiers.items(), key=lambda pair: -len(pair[1]))
    for name, size in sizes.items():
        node = next((each for each, end in ends if name.endswith(f"_{end}")), None)
        if node is None:
            rest += size
        else:
            found[node] = found.get(node, 0) + size
    return found, rest
