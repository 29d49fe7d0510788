"""Every kernel computes what the interpreter does, on graphs that few random ones are like."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.targets.c.layers import MOST_LEVELS, Kernel
from edgespike.targets.c.layout import make_layout
from edgespike.targets.c.packing import field_bits
from edgespike.targets.c.source import write_c
from tests.random_graphs import up_to
from tests.strategies import Case
from tests.targets.c.graphs import RANDOM, drawn, edges_of_sums, thresholds_at_edges
from tests.targets.c.programs import BY_GCC, WATCHED, assert_exact, first_kernels

COUNT = up_to(110)
"""Cases of each kind: with the full number, all that :func:`features` names is reached."""


@pytest.mark.parametrize("kind", RANDOM)
def test_random_cases_are_exact(kind: str, tmp_path: Path) -> None:
    assert_exact(WATCHED, drawn(kind, COUNT), tmp_path)


def test_random_cases_by_another_compiler(tmp_path: Path) -> None:
    cases = [
        RANDOM[kind](number)
        for kind in RANDOM
        for number in range(1000, 1000 + max(1, COUNT // 10))
    ]
    assert_exact(BY_GCC, cases, tmp_path)


def test_chosen_kernels_are_exact(tmp_path: Path) -> None:
    """Mostly products where the others have lists."""
    cases = [RANDOM[kind](number) for kind in RANDOM for number in range(max(1, COUNT // 5))]
    chosen = {kernel for case in cases for kernel in make_layout(case.graph).kernels.values()}
    assert chosen >= {Kernel.EVENTS, Kernel.PAIRS} or COUNT < 110
    assert_exact(BY_GCC, cases, tmp_path, forced=lambda graph: {})


def features(case: Case) -> set[str]:
    """Name what a case reaches in the generator."""
    written = write_c(case.graph, "n", first_kernels(case.graph))
    layout, text = written.layout, written.source
    found = set()
    for name, layer in layout.layers.items():
        kernel, low, high = layout.kernels[name], int(layer.weight.min()), int(layer.weight.max())
        found.add(kernel.name)
        source = layout.values[layer.root.name]
        if kernel.lists:
            kept = "bits" if source.levels else "bytes"
            levels = source.levels or case.graph.tensors[layer.root.name].bounds[1]
            found.add(f"{kernel.name} of {field_bits(low, high)} bits")
            found.add(f"{kept} of level {levels}")
            found.add(f"whole window of {kept}" if layer.covers(source.shape) else "many windows")
        elif not kernel.lists:
            found.add(f"{kernel.name} of {source.c_type}")
        found.add(f"{layer.outputs} outputs")
    found |= {f"pool of {len(layout.pools) > 0}", f"ALL {'ALL(' in text.split('#endif')[-1]}"}
    calls = ("fire_halves", "take_halves", "line_", "levels_", "find_rows")
    found |= {name for name in calls if f"static void {name}" in text or f"{name}(" in text}
    return found


def test_random_cases_reach_every_kernel() -> None:
    if COUNT < 110:
        pytest.skip("a run of few random graphs")
    found = set().union(*(features(case) for kind in RANDOM for case in drawn(kind, COUNT)))
    wanted = {kernel.name for kernel in Kernel}
    wanted |= {f"EVENTS of {bits} bits" for bits in (2, 4, 8)} | {"EVENTS_WIDE of 8 bits"}
    wanted |= {f"{kept} of level {k + 1}" for kept in ("bits", "bytes") for k in range(MOST_LEVELS)}
    wanted |= {"whole window of bits", "whole window of bytes", "many windows", "pool of True"}
    wanted |= {f"PAIRS of {kind}" for kind in ("uint8_t", "int8_t", "int16_t")}
    wanted |= {f"EIGHTS of {kind}" for kind in ("uint8_t", "int8_t")}
    wanted |= {f"{count} outputs" for count in (5, 6, 15, 16, 17, 48)}
    wanted |= {"fire_halves", "take_halves", "levels_", "find_rows", "ALL True"}
    assert not wanted - found, wanted - found


def test_sums_at_the_edges_of_16_bits(tmp_path: Path) -> None:
    sizes = [(levels, weight) for levels in (1, 3, 7) for weight in (127, 7)] + [(7, 1), (7, 255)]
    cases = [edges_of_sums(beyond, *size) for beyond in (0, 1) for size in sizes]
    kernels = {first_kernels(case.graph)["dense0"] for case in cases}
    assert kernels == {Kernel.EVENTS, Kernel.EVENTS_WIDE, Kernel.PAIRS, Kernel.ROWS}
    # Their thresholds are so far from the sums that halves of words do not tell.
    texts = [write_c(case.graph, "n", first_kernels(case.graph)).source for case in cases]
    assert any("static void fire_int16_t" in text for text in texts)
    assert_exact(WATCHED, cases, tmp_path)


def test_thresholds_at_the_edges_of_a_range(tmp_path: Path) -> None:
    ranges = [(0, 3), (-5, 90), (-(2**15), 2**15 - 1), (-(2**15), 2**15), (-(2**14), 2**14)]
    ranges += [(-(2**31), 2**31 - 1), (-(2**31), 2**31), (-(2**40), 2**40)]
    cases = [
        thresholds_at_edges(levels, offset, channels, *ends)
        for ends in ranges
        for levels, offset in ((1, 0), (2, 0), (7, 0), (8, 0), (3, -1))
        for channels in (8, 33)
    ]
    assert_exact(WATCHED, cases, tmp_path)
