"""Networks in C on other processors, in emulators, and as other compilers build them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.models import MODELS, shipped_images, shipped_model
from tests.random_graphs import accepted, up_to
from tests.strategies import MIXES, Case
from tests.targets.c.graphs import (
    RANDOM,
    drawn,
    edges_of_sums,
    every_membrane,
    extreme_membranes,
    thresholds_at_edges,
)
from tests.targets.c.programs import Build, assert_exact

pytestmark = pytest.mark.slow

COUNT = up_to(4)
"""Random cases of each kind, and graphs of each operation mix."""

ARM = ("arm-linux-gnueabihf-gcc", "-mcpu=cortex-a7")

STATIC = ("-static",)

BUILDS = {
    "-O3": Build(("gcc", "-O3")),
    "unsigned char, short enums": Build(("gcc", "-O2", "-funsigned-char", "-fshort-enums")),
    "32 bits": Build(("gcc", "-O1", "-m32"), links=STATIC),
    "clang": Build(("clang", "-O2")),
    "aarch64": Build(("aarch64-linux-gnu-gcc", "-O2"), ("qemu-aarch64",), links=STATIC),
    "arm": Build((*ARM, "-marm", "-O2"), ("qemu-arm",), links=STATIC),
    "thumb": Build((*ARM, "-mthumb", "-O2"), ("qemu-arm",), links=STATIC),
    "riscv64": Build(("riscv64-linux-gnu-gcc", "-O1"), ("qemu-riscv64",), links=STATIC),
    "s390x, big-endian": Build(("s390x-linux-gnu-gcc", "-O1"), ("qemu-s390x",), ">", links=STATIC),
}

USES_DSP = ("arm", "thumb")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Return cases of all kinds and all shipped models."""
    found = [case for kind in RANDOM for case in drawn(kind, COUNT)]
    found += [
        each.case
        for mix in MIXES
        for each in accepted(mix, 1 + COUNT // 4, lambda graph: False, 1 + COUNT // 4)
    ]
    found += [Case(shipped_model(name), shipped_images(name)[0][:2]) for name in MODELS]
    found += [*every_membrane()[:: 300 // (2 * COUNT)], *extreme_membranes()]
    found += [edges_of_sums(beyond, 3, 7) for beyond in (0, 1)]
    found += [thresholds_at_edges(3, 0, 33, *ends) for ends in ((0, 3), (-(2**15), 2**15))]
    return found


@pytest.mark.parametrize("name", BUILDS)
def test_other_processors_and_compilers_compute_the_same(
    name: str, cases: list[Case], tmp_path: Path
) -> None:
    assert_exact(BUILDS[name], cases, tmp_path)


@pytest.mark.parametrize("name", USES_DSP)
def test_arm_has_instructions_for_sums_in_halves(name: str, tmp_path: Path) -> None:
    build = BUILDS[name]
    build.require(tmp_path)
    (tmp_path / "dsp.c").write_text(
        "#if !defined(__ARM_FEATURE_DSP) || !defined(__GNUC__)\n#error none\n#endif\n"
        "typedef int something;\n"
    )
    build.call("-c", str(tmp_path / "dsp.c"), "-o", str(tmp_path / "dsp.o"))


def test_without_instructions_of_a_processor(cases: list[Case], tmp_path: Path) -> None:
    """Processors that have none are compiled the same either way."""
    assert_exact(BUILDS["thumb"], cases, tmp_path, defines=["EDGESPIKE_PORTABLE"])
