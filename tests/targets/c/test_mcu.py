"""Bundles on emulated microcontrollers: exact on every core, and instructions are counted right."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgespike
from edgespike.graph import Dense, Graph, Input, Node, Readout
from edgespike.targets.c.bundle.cores import CORES, Core, core
from tests.targets.c.bundles import C99, GRAPHS, Export, export_to, prefix, run, sources, tool
from tests.targets.c.mcu import missing, run_on_core


def needed(core: Core) -> None:
    """Skip the test if a core cannot be emulated here."""
    reason = missing(core)
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("on", CORES, ids=lambda core: core.name)
def test_every_core_is_exact(export: Export, on: Core, name: str) -> None:
    needed(on)
    folder = export(GRAPHS[name]())
    found = run_on_core(folder, prefix(folder), on)
    assert found.exact == found.samples >= 8
    assert len(found.instructions) == found.samples
    assert all(number > 100 for number in found.instructions)
    assert 0 < found.stack < 1000


@pytest.mark.parametrize("on", CORES, ids=lambda core: core.name)
def test_a_wrong_answer_is_noticed_there(export: Export, on: Core) -> None:
    needed(on)
    folder = export(GRAPHS["residual"]())
    place = folder / "src" / "residual-check.c"
    text = place.read_text()
    place.write_text(re.sub(r"(check_classes.*\{\n)\d", r"\g<1>9", text, count=1, flags=re.DOTALL))
    told = run("make", f"run-{on.name}", cwd=folder, fails=True)
    assert re.search(r"sample 0: the class is \d, expected 9", told)
    run("make", "clean", cwd=folder)
    found = run_on_core(folder, "residual", on)
    assert found.exact == found.samples - 1


@pytest.mark.parametrize("name", ["m3", "m4", "m55"])
@pytest.mark.parametrize(("least", "inputs"), [(-128, 600), (-8, 9000), (-2, 40_000)])
def test_halves_of_words_may_overflow(name: str, least: int, inputs: int, tmp_path: Path) -> None:
    """Stored weights begin at 0, so that so many of them are beyond 16 bits.

    The instructions of M4 and M55 that add halves lose what is carried.
    """
    needed(core(name))
    weight = np.zeros((16, inputs), np.int64)
    weight[:, :40] = np.random.default_rng(1).integers(least, -least, (16, 40))
    weight[0, :2] = least, -least - 1
    nodes = (
        Node("input", Input((inputs,), 0, 1, 1.0)),
        Node("dense", Dense(weight, np.arange(16)), ("input",)),
        Node("out", Readout(np.ones(16)), ("dense",)),
    )
    given = np.ones((8, inputs), np.int64)
    given[:4] = np.random.default_rng(2).random((4, inputs)) < 0.9
    folder = edgespike.export(Graph("halves", nodes), "c", tmp_path / "out", given)
    found = run_on_core(folder, "halves", core(name))
    assert found.exact == found.samples


@pytest.mark.parametrize("on", CORES, ids=lambda core: core.name)
def test_counts_repeat(export: Export, on: Core) -> None:
    needed(on)
    folder = export(GRAPHS["recurrent"]())
    one, other = (run_on_core(folder, prefix(folder), on) for _ in range(2))
    assert one == other


LOOPS = """
#include "port.h"
static void print(uint64_t number) {
    char text[21], *at = text + 20;
    *at = 0;
    do *--at = (char)('0' + number % 10); while (number /= 10);
    port_print(at);
    port_print(" ");
}
static uint32_t turn(uint32_t turns) {
    uint32_t before;
    uint64_t begun = port_instructions();
    for (before = turns; turns; turns--) __asm__ volatile("nop\\n nop\\n nop\\n nop\\n nop\\n nop");
    print(port_instructions() - begun);
    return before;
}
int main(void) {
    port_init();
    turn(1000), turn(100000), turn(LARGEu);
    port_print("\\n");
    return 0;
}
"""


ROUNDS = {"m0": 62.5, "m3": 40, "m4": 40, "m7": 40, "m33": 50, "m55": 31.25, "rv32": 1}
"""Instructions of a tick of each board's timer."""


@pytest.mark.slow
@pytest.mark.parametrize("on", CORES, ids=lambda core: core.name)
def test_loops_of_known_length_are_counted(export: Export, on: Core) -> None:
    """The last is longer than a round of the timer: 24 bits of so many instructions each."""
    needed(on)
    folder = export(GRAPHS["residual"]())
    turns = round(ROUNDS[on.name] * 2**24 * 1.05 / 8)
    (folder / "check" / "main.c").write_text(LOOPS.replace("LARGE", str(turns)))
    flags = "CROSS_CFLAGS=-O2 -fno-unroll-loops"
    small, middle, large = map(int, run("make", "-s", f"run-{on.name}", flags, cwd=folder).split())
    for found, number in ((small, 1000), (middle, 100_000), (large, turns)):
        each = round(found / number)
        assert each in (8, 9)  # six that do nothing, one that counts, one that jumps, or a compare
        assert abs(found - each * number) < 250
    assert large > 2**24 * ROUNDS[on.name]


def test_cores_in_cmake_run_under_ctest(export: Export) -> None:
    needed(core("m3"))
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    folder = export(GRAPHS["signed"]())
    options = ["-DCMAKE_TOOLCHAIN_FILE=mcu/toolchain.cmake", "-DCORE=m3"]
    run("cmake", *options, "-S", ".", "-B", "build/cmake", cwd=folder)
    run("cmake", "--build", "build/cmake", cwd=folder)
    told = run("ctest", "--test-dir", "build/cmake", "-V", cwd=folder)
    assert "qemu-system-arm" in told
    assert "instructions" in told
    assert "100% tests passed, 0 tests failed out of 1" in told


BOTH = """
#include "port.h"
#include "ONE-check.h"
#include "TWO-check.h"
static ONE_net one;
static TWO_net two;
static ONE_net again;
static void say(const char *what, uint32_t wrong) {
    port_print(wrong ? "wrong " : "exact ");
    port_print(what);
    port_print("\\n");
}
int main(void) {
    uint32_t step, differs = 0;
    const ONE_output *answer;
    port_init();
    say("ONE", ONE_check(&one));
    say("TWO", TWO_check(&two));
    /* A step of the one, a sample of the other, in turn. */
    ONE_init(&one);
    for (step = 0; step < ONE_STEPS; step++) {
        ONE_step(&one, ONE_check_inputs[0] + step * ONE_INPUT_SIZE);
        TWO_run(&two, TWO_check_inputs[0]);
        ONE_run(&again, ONE_check_inputs[1]);
    }
    answer = ONE_answer(&one);
    for (step = 0; step < ONE_OUTPUT_SIZE; step++)
        differs += answer[step] != ONE_check_answers[0][step];
    say("in turn", differs);
    return 0;
}
"""


def both(folder: Path, one: Path, two: Path) -> list[str | Path]:
    """Write a program that runs two networks; return its files and where their headers are."""
    names = prefix(one), prefix(two)
    (folder / "main.c").write_text(BOTH.replace("ONE", names[0]).replace("TWO", names[1]))
    included: list[str | Path] = [f"-I{each / 'src'}" for each in (one, two)]
    return [*included, f"-I{one / 'check'}", *sources(one), *sources(two), folder / "main.c"]


@pytest.mark.parametrize("on", ["host", "m4"])
def test_two_networks_in_one_firmware_give_their_answers(on: str, tmp_path: Path) -> None:
    one, two = (export_to(tmp_path)(GRAPHS[name]()) for name in ("recurrent", "residual"))
    files = both(tmp_path, one, two)
    warnings = ["-O2", *C99]
    if on == "host":
        port = one / "check" / "port_host.c"
        run(tool("cc"), *warnings, *files, port, "-o", "program", cwd=tmp_path)
        told = run(tmp_path / "program", cwd=tmp_path)
    else:
        needed(core("m4"))
        mcu = one / "mcu"
        options = [*core("m4").options.split(), "-ffreestanding", "-nostdlib", f"-I{mcu}"]
        options += ["-fno-tree-loop-distribute-patterns", f"-L{mcu}", "-T", str(mcu / "m4.ld")]
        files += ["-isystem", mcu / "include", mcu / "port_mcu.c", mcu / "cortex_m.c", "-lgcc"]
        run(core("m4").compiler, *warnings, *options, *files, "-o", "program.elf", cwd=tmp_path)
        told = run(*core("m4").command.split(), "program.elf", cwd=tmp_path)
    ends = prefix(one), prefix(two)
    assert told.split("\n") == [f"exact {ends[0]}", f"exact {ends[1]}", "exact in turn", ""]


def test_no_c_library_is_linked(export: Export) -> None:
    needed(core("m4"))
    folder = export(GRAPHS["signed"]())
    run("make", "-s", "build/m4/check.elf", cwd=folder)
    listed = run("arm-none-eabi-nm", "build/m4/check.elf", cwd=folder)
    assert not re.search(r"\b(printf|malloc|_sbrk|__libc\w*)\b", listed)


def test_make_check_mcu_names_what_it_skips(tmp_path: Path) -> None:
    """Where no core can run it says so, and that is no failure."""
    code = (
        "import tests.targets.c.check_mcu as c\n"
        "c.graphs = lambda: iter(())\n"
        f"import sys; sys.argv = ['x', '--json', {str(tmp_path / 'out.json')!r}]\n"
        "c.main()\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PATH": str(tmp_path), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    for each in CORES:
        assert f"skipped {each.name}: {each.processor} needs make and {each.compiler} and" in (
            done.stdout
        )
    assert '"runs": []' in (tmp_path / "out.json").read_text()
