"""The exported folder: what is in it compiles without a warning, runs, and says what it is."""

from __future__ import annotations

import ctypes
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgespike
from edgespike.counting import count
from edgespike.graph import Dense, Graph, Input, Node, Readout, Scaling
from edgespike.interpreter import interpret
from edgespike.targets.c.bundle import folder as bundle_folder
from edgespike.targets.c.bundle import measure
from edgespike.targets.c.bundle.check_files import compiled_samples
from edgespike.targets.c.bundle.folder import COMPILED_BYTES, LEAST_COMPILED
from edgespike.targets.c.bundle.measure import deepest
from edgespike.targets.c.source import write_c
from edgespike.targets.shared.c_classes import compares_integers
from edgespike.targets.shared.c_labels import StoredInput, measured_c, measured_h
from edgespike.targets.shared.check_samples import CheckSamples, check_samples
from edgespike.trace import observed_names, predictions
from tests.example_graphs import weights
from tests.targets.c.bundles import (
    GRAPHS,
    RULES,
    Export,
    build,
    build_check,
    export_to,
    prefix,
    run,
    tool,
)
from tests.targets.labelled import GRAPHS as LABELLED
from tests.targets.labelled import classes, measured_for


def compiled(graph: Graph, folder: Path) -> tuple[CheckSamples, int]:
    """Return a graph's check samples, and how many of them its bundle runs."""
    header = (folder / "src" / f"{prefix(folder)}-check.h").read_text()
    return check_samples(graph, extremes=True), int(header.split("_CHECK_SAMPLES ")[1].split()[0])


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def words(folder: Path) -> str:
    """Return a bundle's page without the ends of its lines."""
    return " ".join((folder / "README.md").read_text().split())


def test_files(export: Export) -> None:
    folder = export(GRAPHS["residual"]())
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "CMakeLists.txt",
        "Makefile",
        "README.md",
        "SHA256SUMS",
        "check/main.c",
        "check/port.h",
        "check/port_host.c",
        "examples/check/check.ino",
        "library.json",
        "library.properties",
        "mcu/cortex_m.c",
        "mcu/include/math.h",
        "mcu/include/string.h",
        *(f"mcu/{core}.ld" for core in ("m0", "m3", "m4", "m7", "m33", "m55", "rv32", "sections")),
        "mcu/port_mcu.c",
        "mcu/port_mcu.h",
        "mcu/riscv.c",
        "mcu/toolchain.cmake",
        "report.json",
        "src/residual-check.c",
        "src/residual-check.h",
        "src/residual-classes.c",
        "src/residual-classes.h",
        "src/residual.c",
        "src/residual.h",
    }


def test_a_scaling_adds_its_files(export: Export) -> None:
    folder = export(GRAPHS["signed"]())
    added = {path.name for path in (folder / "src").glob("*measured*")}
    assert added == {"net_2_signed_x-measured.c", "net_2_signed_x-measured.h"}


def test_the_same_graph_gives_the_same_files(export: Export, tmp_path: Path) -> None:
    graph = GRAPHS["sequence"]()
    one, other = export(graph), export_to(tmp_path / "other")(graph)
    for path in one.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


class TestCheck:
    @pytest.mark.parametrize(
        ("compiler", "optimised"),
        [("gcc", "-O2"), ("clang", "-O2"), ("gcc", "-O0"), ("clang", "-O3")],
    )
    @pytest.mark.parametrize("name", GRAPHS)
    def test_all_answers_are_exact(
        self, export: Export, name: str, compiler: str, optimised: str
    ) -> None:
        graph = GRAPHS[name]()
        folder = export(graph)
        _, samples = compiled(graph, folder)
        printed = run(build_check(folder, compiler, optimised), cwd=folder)
        assert printed.startswith(f"ok: {samples} of {samples} samples are exactly as expected; ")

    @pytest.mark.parametrize("name", GRAPHS)
    def test_the_samples_are_the_first_of_those_that_check_the_most(
        self, export: Export, name: str
    ) -> None:
        graph = GRAPHS[name]()
        folder = export(graph)
        checks, samples = compiled(graph, folder)
        text = (folder / "src" / f"{prefix(folder)}-check.c").read_text()
        arrays = [
            list(map(int, re.findall(r"-?\d+", each)))
            for each in re.findall(r"\] = \{\n(.*?)\};", text, re.DOTALL)
        ]
        assert arrays[0] == compiled_samples(graph, checks.samples[:samples]).ravel().tolist()
        expected = checks.expected[:samples]
        assert arrays[1] == expected.ravel().tolist()
        if graph.readout_op.members == 1:
            assert arrays[2] == predictions(graph, expected).tolist()

    def test_given_samples_are_those_that_are_run(self, tmp_path: Path) -> None:
        graph = GRAPHS["residual"]()
        given = np.full((3, 1, 6, 6), 7)
        folder = edgespike.export(graph, "c", tmp_path / "out", given)
        text = (folder / "src" / "residual-check.c").read_text()
        assert set(re.findall(r"\b\d+\b", text.split("] = {")[1])) >= {"7"}
        assert run(build_check(folder), cwd=folder).startswith("ok: 4 of 4 samples")  # and zeros

    def test_some_samples_are_run_however_large_they_are(self, tmp_path: Path) -> None:
        graph = Graph(
            "large",
            (
                Node("pixels", Input((COMPILED_BYTES,), 0, 1, 1.0)),
                Node("dense", Dense(weights(1, 6, COMPILED_BYTES), weights(2, 6)), ("pixels",)),
                Node("out", Readout(np.ones(6)), ("dense",)),
            ),
        )
        folder = export_to(tmp_path)(graph)
        assert compiled(graph, folder)[1] == LEAST_COMPILED
        assert run(build_check(folder), cwd=folder).startswith("ok: 3 of 3")

    def test_a_wrong_number_is_named_with_its_sample(self, export: Export) -> None:
        folder = export(GRAPHS["residual"]())
        place = folder / "src" / "residual-check.c"
        before, after = place.read_text().split("check_answers", 1)
        rows = re.findall(r"\{\n(-?\d+), (-?\d+), (-?\d+),\n\}", after)
        wrong = int(rows[1][2]) + 1
        row = f"{rows[1][0]}, {rows[1][1]}, "
        after = after.replace(f"{{\n{row}{rows[1][2]},\n}}", f"{{\n{row}{wrong},\n}}", 1)
        place.write_text(f"{before}check_answers{after}")
        told = run(build_check(folder), cwd=folder, fails=True)
        first, last = told.splitlines()
        assert first == f"sample 1: number 2 of the answer is {rows[1][2]}, expected {wrong}"
        assert last.startswith(f"wrong: {len(rows) - 1} of {len(rows)} samples are exactly as")

    def test_a_wrong_class_is_named(self, export: Export) -> None:
        folder = export(GRAPHS["residual"]())
        place = folder / "src" / "residual-check.c"
        text = place.read_text()
        found = re.search(r"(check_classes\[.*\] = \{\n)(\d+)", text)
        assert found is not None
        place.write_text(text.replace(found[0], f"{found[1]}{int(found[2]) + 1}"))
        told = run(build_check(folder), cwd=folder, fails=True)
        assert told.startswith(f"sample 0: the class is {found[2]}, expected {int(found[2]) + 1}\n")

    def test_a_changed_weight_is_noticed(self, export: Export) -> None:
        folder = export(GRAPHS["residual"]())
        place = folder / "src" / "residual.c"
        text = place.read_text()
        found = re.search(r"weights_dense\[\d+\] = \{\n(-?\d+)", text)
        assert found is not None
        place.write_text(text.replace(found[0], f"{found[0][: -len(found[1])]}{3 - int(found[1])}"))
        told = run(build_check(folder), cwd=folder, fails=True)
        assert "wrong: " in told

    def test_a_program_can_run_it_too(self, export: Export) -> None:
        folder = export(GRAPHS["sequence"]())
        ends = prefix(folder)
        (folder / "main.c").write_text(
            f'#include <stdio.h>\n#include "{ends}-check.h"\nstatic {ends}_net net;\n'
            f'int main(void) {{ printf("%u", (unsigned){ends}_check(&net)); return 0; }}\n'
        )
        assert run(build(folder, "cc", folder / "main.c"), cwd=folder) == "0"


@pytest.mark.parametrize(("compiler", "standard"), [("g++", "c++11"), ("clang++", "c++20")])
@pytest.mark.parametrize("name", GRAPHS)
def test_cpp_takes_the_headers(export: Export, name: str, compiler: str, standard: str) -> None:
    graph = GRAPHS[name]()
    folder = export(graph)
    headers = sorted(path.name for path in (folder / "src").glob("*.h"))
    included = "".join(f'#include "{header}"\n' for header in headers)
    (folder / "main.cc").write_text(
        f"{included}static {prefix(folder)}_net net;\n"
        f"int main() {{ return static_cast<int>({prefix(folder)}_check(&net)); }}\n"
    )
    files = [path.name for path in (folder / "src").glob("*.c")]
    run(tool("cc"), "-std=c99", "-c", *files, cwd=folder / "src")
    objects = [folder / "src" / f"{Path(name).stem}.o" for name in files]
    flags = [f"-std={standard}", *RULES, "-I", "src"]
    run(tool(compiler), *flags, "main.cc", *objects, "-o", "program", cwd=folder)
    run(folder / "program", cwd=folder)


CLASSIFY = """
#include <stdio.h>
#include "answers-classes.h"
int main(void) {
  answers_output answer[answers_OUTPUT_SIZE];
  while (fread(answer, sizeof answer, 1, stdin) == 1)
    printf("%u\\n", (unsigned)answers_classify(answer));
  return 0;
}
"""

SCALES = {
    "equal": ([0.37] * 5, True),
    "equal, and numbers become 0": ([5e-324] * 5, False),
    "equal, and numbers become 0 or the smallest": ([2e-310] * 5, False),
    "equal, and numbers become infinite": ([1e306] * 5, False),
    "different": ([0.3, 0.1, 0.7, 0.2, 0.6], False),
    "nearly equal": ([0.1, 0.1, np.nextafter(0.1, 1), 0.1, 0.1], False),
    "different, and some become infinite": ([1e308, 1e308, 1.0, 1e307, 1e308], False),
}


def of_answers(scale: list[float], largest: int) -> Graph:
    weight = np.array([[largest, -largest]] * 5)
    nodes = (
        Node("input", Input((2,), 0, 1, 1.0)),
        Node("dense", Dense(weight, np.zeros(5, np.int64)), ("input",)),
        Node("out", Readout(np.array(scale)), ("dense",)),
    )
    return Graph("answers", nodes)


class TestClasses:
    @pytest.mark.parametrize("largest", [6, 3000, 2**30, 2**52])
    @pytest.mark.parametrize("name", SCALES)
    def test_the_class_is_that_of_the_largest_logit(
        self, name: str, largest: int, tmp_path: Path
    ) -> None:
        graph = of_answers(SCALES[name][0], largest)
        folder = export_to(tmp_path)(graph)
        kind = np.dtype(report_of(folder)["answer"]["type"].removesuffix("_t"))
        rng = np.random.default_rng(3)
        near = rng.integers(-2, 3, (300, 5)) + largest - 2
        few = rng.integers(-3, 4, (300, 5))
        wide = rng.integers(-largest, largest + 1, (300, 5))
        answers = np.concatenate([near, few, wide, -near]).clip(-largest, largest)
        (folder / "main.c").write_text(CLASSIFY)
        program = build(folder, "cc", folder / "main.c", "-O2")
        printed = run(program, cwd=folder, given=answers.astype(kind).tobytes())
        with np.errstate(over="ignore"):
            assert list(map(int, printed.split())) == predictions(graph, answers).tolist()

    @pytest.mark.parametrize("name", SCALES)
    def test_where_scales_cannot_matter_whole_numbers_are_compared(self, name: str) -> None:
        scale, integers = SCALES[name]
        assert compares_integers(of_answers(scale, 3000)) == integers

    def test_numbers_that_a_double_could_round_to_others_are_not_compared_so(self) -> None:
        assert compares_integers(of_answers([0.1] * 5, 2**50))
        assert not compares_integers(of_answers([0.1] * 5, 2**50 + 1))

    def test_an_ensemble_has_no_function_for_it_and_says_why(self, export: Export) -> None:
        graph = GRAPHS["ensemble"]()
        folder = export(graph)
        header = (folder / "src" / "ensemble-classes.h").read_text()
        assert "ensemble_classify" not in header
        assert "There is no\n   function for it here: that takes exp." in header
        assert "#define ensemble_CLASSES 7\n" in header
        assert "an ensemble: they are those of 2 members" in words(folder)
        (remark,) = edgespike.targets.get_target("c").remarks(graph)  # type: ignore[misc]
        assert remark.startswith("no function that classifies: the class of an ensemble of 2")

    def test_all_others_lack_nothing(self) -> None:
        assert edgespike.targets.get_target("c").remarks(GRAPHS["signed"]()) == []  # type: ignore[misc]

    def test_compilers_that_round_otherwise_refuse(self, tmp_path: Path) -> None:
        folder = export_to(tmp_path)(of_answers(SCALES["different"][0], 6))
        command = [tool("cc"), "-std=c99", "-ffast-math", "-c", "answers-classes.c"]
        told = run(*command, cwd=folder / "src", fails=True)
        assert "compile it without -ffast-math" in told

    @pytest.mark.parametrize("name", GRAPHS)
    def test_the_header_names_graph_and_scales(self, export: Export, name: str) -> None:
        graph = GRAPHS[name]()
        folder = export(graph)
        header = (folder / "src" / f"{prefix(folder)}.h").read_text()
        assert f'_HASH "{graph.hash}"' in header
        found = re.search(r"_INPUT_SCALE (.*)", header)
        assert found is not None
        assert float(found[1]) == graph.input_op.scale
        text = (folder / "src" / f"{prefix(folder)}-classes.c").read_text()
        scales = [float.fromhex(each) for each in re.findall(r"    (0x\S+),", text)]
        assert scales == graph.readout_op.scale.tolist()


def readme_code(folder: Path) -> str:
    """Return the function in the README's section for programs, with its headers."""
    section = (folder / "README.md").read_text().split("## In a program of your own")[1]
    section = section.split("## The input")[0]
    headers = re.findall(r'`("[^"`]+")`', section)
    code = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    blank = "\n".join(line for line in section.splitlines() if not line.strip() or line[0] == " ")
    assert blank.strip()
    return "\n".join((*(f"#include {header}" for header in headers), *code))


MAIN = """
#include <stdio.h>
int main(void) {
  static TYPE sample[SIZE];
  while (fread(sample, sizeof sample, 1, stdin) == 1) {
    const int found = classify(sample);
    if (found < 0) puts("unusable");
    else SAY;
  }
  return 0;
}
"""


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("name", [*LABELLED, "residual", "recurrent"])
def test_the_readmes_code_classifies_by_name(export: Export, name: str, scaled: bool) -> None:
    graph = GRAPHS[name]()
    graph = graph if scaled else replace(graph, scaling=None)
    if scaled and graph.scaling is None:
        pytest.skip("the graph has no scaling")
    folder = export(graph)
    ends = prefix(folder)
    say = f"puts({ends}_class_names[found])" if graph.class_names else 'printf("%d\\n", found)'
    kind = "double" if scaled else f"{ends}_input"
    text = MAIN.replace("TYPE", kind).replace("SAY", say)
    text = text.replace("SIZE", f"{ends}_STEPS * {ends}_INPUT_SIZE")
    (folder / "main.c").write_text(readme_code(folder) + text)
    program = build(folder, "cc", folder / "main.c", "-O2")
    if scaled:
        measured = measured_for(graph)
        found = classes(graph, measured)
        stored = last(graph, measured).astype(np.float64)
        bad = stored[:1].copy()
        bad.flat[-1] = np.inf
        stored = np.concatenate([stored, bad])
    else:
        given = samples(graph)
        found = predictions(graph, interpret(graph, given).accumulators(graph)).tolist()
        stored = last(graph, given).astype(report_of(folder)["input"]["type"].removesuffix("_t"))
    wanted = [graph.class_names[each] if graph.class_names else str(each) for each in found]
    printed = run(program, cwd=folder, given=stored.tobytes()).splitlines()
    assert printed == [*wanted, *(["unusable"] if scaled else [])]
    assert len(set(wanted)) > 1 or name not in ("signed", "image", "sequence")


def samples(graph: Graph, number: int = 40) -> NDArray[np.int64]:
    op = graph.input_op
    drawn = np.random.default_rng(5).integers(op.low, op.high + 1, (number, graph.steps, *op.shape))
    return drawn if graph.steps > 1 else drawn[:, 0]


def last(graph: Graph, given: NDArray[Any]) -> NDArray[Any]:
    """Return samples with channels last."""
    stepped = given.reshape(len(given), graph.steps, *graph.input_op.shape)
    return np.ascontiguousarray(np.moveaxis(stepped, 2, -1))


def test_measured_numbers_become_inputs_of_more_than_32_bits(tmp_path: Path) -> None:
    low, high = -(2**40) + 3, 2**53
    scaling, stored = Scaling((0.25,), (0.75,)), StoredInput("int64_t")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "wide.h").write_text("")
    (tmp_path / "src" / "wide-measured.h").write_text(measured_h("wide", 4, stored))
    text = measured_c("wide", scaling, low, high, stored)
    (tmp_path / "src" / "measured.c").write_text(text)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "wide-measured.h"\n'
        "int main(void) { double x[4]; int64_t y[4];\n"
        "  while (fread(x, sizeof x, 1, stdin) == 1) { wide_from_measured(x, y);\n"
        '    printf("%lld %lld %lld %lld\\n", (long long)y[0], (long long)y[1], (long long)y[2],\n'
        "           (long long)y[3]); }\n  return 0; }\n"
    )
    rng = np.random.default_rng(1)
    measured = np.concatenate(
        [rng.uniform(-(2**41), 2**41, (200, 4)), rng.uniform(-1e18, 1e18, (200, 4))]
    )
    measured = np.concatenate([measured, np.floor(measured) * 0.75 + 0.25 - 0.375])
    program = build(tmp_path, "cc", tmp_path / "main.c")
    printed = run(program, cwd=tmp_path, given=measured.tobytes()).split()
    assert list(map(int, printed)) == scaling.apply(measured, (4,), low, high).ravel().tolist()


class TestReport:
    def test_it_names_the_graph_and_what_goes_in_and_comes_out(self, export: Export) -> None:
        graph = GRAPHS["image"]()
        found = report_of(export(graph))
        assert found["graph"] == {"name": graph.name, "sha256": graph.hash}
        assert found["input"]["shape"] == [4, 4, 2]
        assert found["answer"]["scale"] == graph.readout_op.scale.tolist()
        assert found["class_names"] == list(graph.class_names)
        assert found["scaling"]["step"] == [0.1, 0.7]

    @pytest.mark.parametrize("name", GRAPHS)
    def test_flash_is_that_of_the_arrays_in_the_source(self, export: Export, name: str) -> None:
        folder = export(GRAPHS[name]())
        found = report_of(folder)["flash"]
        source = (folder / "src" / f"{prefix(folder)}.c").read_text()
        source = re.sub(r"#ifdef \w+_COUNT\n.*?#endif", "", source, flags=re.DOTALL)
        bits = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8}
        arrays = {
            name: int(length) * bits[kind]
            for kind, name, length in re.findall(r"static const (\w+)_t (\w+)\[(\d+)\]", source)
            if not name.startswith("place")
        }
        assert found["arrays"] == arrays
        assert found["constants"] == sum(arrays.values())

    @pytest.mark.parametrize("name", ["residual", "membranes", "sequence", "ensemble"])
    def test_observed_layers_are_where_it_says(self, export: Export, name: str) -> None:
        """A program that knows nothing but the report sees all values of all layers."""
        graph = GRAPHS[name]()
        folder = export(graph)
        found, ends = report_of(folder), prefix(folder)
        assert [each["layer"] for each in found["observed"]] == observed_names(graph)
        command = [tool("cc"), "-std=c99", "-shared", "-fPIC", f"-D{ends}_OBSERVE"]
        run(*command, f"src/{ends}.c", "-o", "library.so", cwd=folder)
        library = ctypes.CDLL(str(folder / "library.so"))
        pointers = (ctypes.c_void_p * len(found["observed"])).in_dll(library, f"{ends}_observed")
        arrays = [
            np.zeros(each["shape"], each["type"].removesuffix("_t")) for each in found["observed"]
        ]
        assert [array.nbytes for array in arrays] == [each["bytes"] for each in found["observed"]]
        for index, array in enumerate(arrays):
            pointers[index] = array.ctypes.data
        memory = ctypes.create_string_buffer(found["ram"])
        given = samples(graph, 4)
        trace = interpret(graph, given)
        stored = last(graph, given).astype(found["input"]["type"].removesuffix("_t"))
        for index, sample in enumerate(stored):
            getattr(library, f"{ends}_init")(memory)
            for step, image in enumerate(sample):
                getattr(library, f"{ends}_step")(memory, ctypes.c_void_p(image.ctypes.data))
                for each, array in zip(found["observed"], arrays, strict=True):
                    expected = np.moveaxis(trace.values[each["layer"]][index, step], 0, -1)
                    np.testing.assert_array_equal(array, expected, each["layer"])

    @pytest.mark.parametrize("name", ["residual", "membranes", "sequence"])
    def test_operations_are_those_of_the_samples_that_are_run(
        self, export: Export, name: str
    ) -> None:
        graph = GRAPHS[name]()
        folder = export(graph)
        checks, number = compiled(graph, folder)
        given = checks.samples[:number]
        found = report_of(folder)["check"]
        counts = count(graph, given, interpret(graph, given)).to_json()
        assert found["samples"] == number
        assert found["synaptic_operations"] == counts["synaptic_operations"]
        rows = {row["name"]: row for row in counts["layers"]}
        assert (
            sum(each["synaptic_operations"]["quantised"] for each in found["layers"])
            == (counts["synaptic_operations"]["quantised"])
        )
        for each in found["layers"]:
            assert each["synaptic_operations"] == rows[each["layer"]]["synaptic_operations"]
            assert each["multiply_accumulates"] == rows[each["layer"]]["multiply_accumulates"]

    def test_kernels_are_named_with_the_reason(self, export: Export) -> None:
        (first, *_) = report_of(export(GRAPHS["residual"]()))["layers"]
        assert set(first) == {"layer", "numbers", "why", "kernel", "kernels_that_fit"}
        assert first["layer"] == "conv1"

    def test_without_a_compiler_it_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        folder = export_to(tmp_path)(GRAPHS["residual"]())
        found = report_of(folder)
        assert found["compiled"] is None
        assert found["not_compiled"] == "arm-none-eabi-gcc is not installed"
        told = (folder / "README.md").read_text()
        assert "Code and stack were not measured: arm-none-eabi-gcc is not installed." in told
        assert f"| {found['ram']:,} | RAM: the structure `residual_net` |" in told

    def test_a_compiler_that_fails_is_no_reason_not_to_export(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compiler = tmp_path / "arm-none-eabi-gcc"
        compiler.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
        compiler.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        measure._version.cache_clear()
        found = report_of(export_to(tmp_path)(GRAPHS["residual"]()))
        assert found["compiled"] is None
        assert "arm-none-eabi-gcc" in found["not_compiled"]

    def test_with_one_memory_is_measured(self, export: Export) -> None:
        tool("arm-none-eabi-gcc")
        graph = GRAPHS["residual"]()
        found = report_of(export(graph))
        sizes = found["compiled"]
        assert sizes["core"] == "Cortex-M4"
        assert found["flash"]["constants"] < sizes["flash"] < found["flash"]["constants"] + 6000
        assert found["ram"] - 8 * len(write_c(graph).header.splitlines()) < sizes["ram"]
        assert sizes["ram"] <= found["ram"]
        assert 16 < sizes["stack"] < 2000


CALLS = """
node: { title: "x.c:leaf" label: "leaf\\nx.c:1:6\\n24 bytes (static)\\n0 dynamic objects" }
node: { title: "net_run" label: "net_run\\nx.c:9:6\\n16 bytes (static)\\n0 dynamic objects" }
node: { title: "x.c:deep" label: "deep\\nx.c:5:6\\n100 bytes (static)\\n0 dynamic objects" }
node: { title: "memset" label: "memset\\n<built-in>" shape : ellipse }
edge: { sourcename: "net_run" targetname: "x.c:leaf" label: "x.c:10" }
edge: { sourcename: "net_run" targetname: "x.c:deep" label: "x.c:11" }
edge: { sourcename: "x.c:deep" targetname: "x.c:leaf" label: "x.c:6" }
edge: { sourcename: "x.c:deep" targetname: "memset" label: "x.c:7" }
"""


def test_the_stack_is_that_of_the_deepest_calls() -> None:
    assert deepest(CALLS, "net_run") == 16 + 100 + 24


def test_a_failure_on_the_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        assert list(tmp_path.rglob("*.c"))  # something was written before
        raise RuntimeError("in the middle")

    monkeypatch.setattr(bundle_folder, "readme", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        edgespike.export(GRAPHS["residual"](), "c", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_every_file_has_its_hash(export: Export) -> None:
    folder = export(GRAPHS["residual"]())
    tool("sha256sum")
    lines = run("sha256sum", "-c", "SHA256SUMS", cwd=folder).splitlines()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(lines) == len(files) - 1


def test_nothing_is_left_to_fill_in(export: Export) -> None:
    for path in export(GRAPHS["signed"]()).rglob("*"):
        assert not path.is_file() or "<<" not in re.sub(r"\w << ", "", path.read_text()), path


@pytest.mark.parametrize("name", GRAPHS)
def test_the_readme_says_what_a_sample_is(export: Export, name: str) -> None:
    graph = GRAPHS[name]()
    folder = export(graph)
    text, found = words(folder), report_of(folder)
    size = " x ".join(map(str, found["input"]["shape"]))
    assert f"{size} numbers of type `{found['input']['type']}`" in text
    assert ("row by row, channels last" in text) == (len(graph.input_op.shape) == 3)
    assert (f"{graph.steps} steps of" in text) == (graph.steps > 1)
    assert ("_from_measured` computes" in text) == (graph.scaling is not None)
    assert graph.hash in text
