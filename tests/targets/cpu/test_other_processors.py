"""The native engine on other processors, in emulators, and as other compilers build it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reshape,
    SumPool2d,
)
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.targets.cpu.native.build import SOURCES
from edgespike.targets.cpu.native.engine import TYPES
from edgespike.targets.cpu.native.program import program_of
from tests.random_graphs import accepted, define, up_to
from tests.strategies import MIXES, Case
from tests.targets.cpu.elsewhere import Build, Written, write
from tests.targets.cpu.graphs import chain, random_samples
from tests.targets.cpu.native_runs import in_lanes

pytestmark = pytest.mark.slow

GRAPHS = up_to(20)
"""Random graphs of each operation mix."""

BUILDS = {
    "aarch64": Build(("aarch64-linux-gnu-gcc",), ("qemu-aarch64",)),
    "aarch64 by clang": Build(("clang", "--target=aarch64-linux-gnu"), ("qemu-aarch64",)),
    "arm, 32 bits": Build(("arm-linux-gnueabihf-gcc",), ("qemu-arm",)),
    "riscv64": Build(("riscv64-linux-gnu-gcc", "-O1"), ("qemu-riscv64",)),
    "s390x, big-endian": Build(("s390x-linux-gnu-gcc", "-O1"), ("qemu-s390x",), ">"),
    "here by clang": Build(("clang",)),
}

PLAIN = """\
#define VECTOR {bytes}
#define SET {name}
#define SET_NAME "{bytes} bytes"
static int available(void) {{ return 1; }}
#define SET_AVAILABLE available
#include "kernels.h"
"""
"""A kernel set without instructions of its own, in the place of one that has them."""


@pytest.fixture(scope="module")
def written() -> list[Written]:
    """Cases of all mixes and all shipped models; their samples have any type that holds them."""
    drawn = [each for mix in MIXES for each in accepted(mix, GRAPHS, refused, GRAPHS)]
    drawn += [define(in_lanes(each.case, 20)) for each in drawn[::2]]
    shipped = [define(Case(shipped_model(name), shipped_images(name)[0][:3])) for name in MODELS]
    wide = [define(many_channels(largest)) for largest in (7, 127, 2**14, 2**20)]
    bits = [define(spiking(decay)) for decay in (0, 1 << 11, 1000)]
    found = []
    for number, defined in enumerate([*drawn, *shipped, *wide, *bits]):
        low, high = defined.case.samples.min(), defined.case.samples.max()
        holding = [
            kind for kind in TYPES if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max
        ]
        found.append(write(defined, holding[number % len(holding)]))
    return found


def many_channels(largest: int) -> Case:
    """Return a convolution of bytes with more channels than a processor's registers hold sums."""
    source = Input((3, 4, 5), 0, 255, 1.0)
    rng = np.random.default_rng(largest)
    weight = rng.integers(-largest, largest, (210, 3, 2, 2), endpoint=True)
    graph = chain(source, Conv2d(weight, rng.integers(-9, 10, 210)))
    return Case(graph, random_samples(source, 2))


def spiking(decay: int) -> Case:
    """Return layers of single spikes: convolutions, a sum pool, pairs of rows, a counted sum."""
    source = Input((2, 9, 35), 0, 1, 1.0)
    rng = np.random.default_rng(decay)

    def weight(*shape: int) -> NDArray[np.int64]:
        return rng.integers(-127, 127, shape, endpoint=True)

    none = np.zeros(512, np.int64)
    graph = chain(
        source,
        Conv2d(weight(16, 2, 3, 3), none[:16], padding=(1, 1)),
        Membrane(np.full(16, 99), decay),
        Conv2d(weight(5, 16, 3, 2), none[:5] + 3, stride=(2, 1), padding=(1, 0)),
        Membrane(np.full(5, 250), decay),
        SumPool2d((2, 3), (2, 3)),
        Reshape((110,)),
        Dense(weight(300, 110), none[:300]),
        Membrane(np.full(300, 200), decay),
        Dense(weight(300, 300), none[:300]),
        Membrane(np.full(300, 200), decay),
        Dense(weight(9, 300), none[:9]),
        steps=40,
    )
    return Case(graph, (rng.random((9, 40, *source.shape)) < 0.1).astype(np.uint8))


def refused(graph: Graph) -> bool:
    return program_of(graph) is None


def assert_all_equal(build: Build, program: Path, written: list[Written]) -> set[str]:
    """Compare all cases on every kernel set that a program has; return the sets."""
    kernels = build.run(program).decode().split("\n")[:-1]
    given = b"".join(each.given(build.order) for each in written)
    for name in kernels:
        printed = build.run(program, name, given=given)
        place = 0
        for number, each in enumerate(written):
            part = printed[place : place + each.length]
            assert not each.differences(part, build.order), f"case {number} on {name}"
            place += each.length
        assert place == len(printed)
    return set(kernels)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_other_processors_and_compilers_compute_the_same(
    build: Build, written: list[Written], tmp_path: Path
) -> None:
    if build.missing:
        pytest.skip(f"{build.missing} is not installed")
    kernels = assert_all_equal(build, build.compile(tmp_path), written)
    assert "portable" in kernels


def test_plain_vectors_of_any_width_compute_the_same(
    written: list[Written], tmp_path: Path
) -> None:
    build = Build(("gcc", "-Wno-psabi", "-O1"))
    if build.missing:
        pytest.skip(f"{build.missing} is not installed")
    sources = [source for source in SOURCES if "avx" not in source]
    for name, width in {"avx2": 32, "avx512": 64}.items():
        sources.append(str(tmp_path / f"{name}.c"))
        Path(sources[-1]).write_text(PLAIN.format(bytes=width, name=f"es_{name}"))
    kernels = assert_all_equal(build, build.compile(tmp_path, sources), written)
    assert kernels == {"portable", "32 bytes", "64 bytes"}


def test_what_32_bits_cannot_address_is_refused(tmp_path: Path) -> None:
    build = BUILDS["arm, 32 bits"]
    if build.missing:
        pytest.skip(f"{build.missing} is not installed")
    program = build.compile(tmp_path)
    nodes = [Node("input", Input((1, 2**13, 2**14), 0, 2**20, 1.0))]
    for number in range(8):  # each takes 512 MiB: 4 GiB, which would be 0 in 32 bits
        nodes.append(Node(f"sum{number}", Add(), (nodes[-1].name, "input")))
    nodes.append(Node("pool", MaxPool2d((2**13, 2**14), (1, 1)), (nodes[-1].name,)))
    nodes.append(Node("flat", Reshape((1,)), ("pool",)))
    nodes.append(Node("out", Readout(np.ones(1)), ("flat",)))
    words = program_of(Graph("large", tuple(nodes), 1))
    assert words is not None
    head = np.array([len(words.words), 0, 0, 0, 0, 0, 1, 0, 0], np.int64)
    with pytest.raises(RuntimeError, match="scratch memory is too large"):
        build.run(program, "portable", given=head.tobytes() + words.words)
