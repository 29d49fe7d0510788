"""How a bundle is built: make, cmake, Arduino, PlatformIO; what it says where tools are missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgespike.targets.c.bundle.cores import CORES
from tests.targets.c.bundles import GRAPHS, RULES, Export, export_to, prefix, run, sources, tool


def commands(folder: Path) -> list[str]:
    """Return the lines of code in a page."""
    text = (folder / "README.md").read_text()
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def run_line(line: str, cwd: Path) -> str:
    done = subprocess.run(line, shell=True, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr
    return done.stdout


def only(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment in which only some programs are found."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return {**os.environ, "PATH": str(folder)}


def test_the_page_begins_with_two_commands_that_check_it(export: Export) -> None:
    folder = export(GRAPHS["recurrent"]())
    first, second, *_ = commands(folder)
    assert (first, second) == ("make check", "make run-m4")
    tool("make")
    assert "samples are exactly as expected" in run_line(first, folder)
    for name in ("arm-none-eabi-gcc", "qemu-system-arm"):
        tool(name)
    assert re.search(r"sample 0: \d+ instructions", run_line(second, folder))


def test_and_with_one_for_cmake(export: Export) -> None:
    tool("cmake")
    folder = export(GRAPHS["signed"]())
    (line,) = (line for line in commands(folder) if line.startswith("cmake"))
    assert "100% tests passed" in run_line(line, folder)


def test_it_is_built_in_a_folder_of_any_name(export: Export, tmp_path: Path) -> None:
    tool("make")
    folder = export(GRAPHS["residual"]()).rename(tmp_path / "a folder, été (2)")
    assert "ok: " in run("make", "check", cwd=folder)
    run("make", "clean", cwd=folder)
    assert not (folder / "build").exists()


def test_a_failed_check_is_an_error_of_make(export: Export) -> None:
    tool("make")
    folder = export(GRAPHS["residual"]())
    place = folder / "src" / "residual-check.c"
    place.write_text(
        re.sub(r"(check_answers.*\{\n\{\n)", r"\g<1>1", place.read_text(), count=1, flags=re.S)
    )
    told = run("make", "check", cwd=folder, fails=True)
    assert "sample 0: number 0 of the answer is" in told
    assert "wrong: " in told


def test_cc_chooses_the_compiler(export: Export) -> None:
    tool("make")
    folder = export(GRAPHS["residual"]())
    assert tool("clang") in run("make", "check", "CC=clang", cwd=folder).splitlines()[0]


class TestMissing:
    def test_the_compiler_of_this_computer(self, export: Export, tmp_path: Path) -> None:
        folder = export(GRAPHS["residual"]())
        make = shutil.which("make") or pytest.skip("make is not installed")
        done = subprocess.run(
            [make, "check"],
            cwd=folder,
            env=only(tmp_path / "bin", "sh", "mkdir"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert re.search(r"\bcc: (No such file|not found)", done.stderr)

    @pytest.mark.parametrize("core", ["m0", "rv32"])
    def test_the_compiler_of_a_core(self, export: Export, tmp_path: Path, core: str) -> None:
        folder = export(GRAPHS["residual"]())
        make = shutil.which("make") or pytest.skip("make is not installed")
        environment = only(tmp_path / "bin", "sh", "mkdir")
        done = subprocess.run(
            [make, f"run-{core}"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        (tools,) = {each.compiler for each in CORES if each.name == core}
        assert done.returncode == 2
        assert f"{tools} is not installed; core {core} needs it" in done.stdout

    def test_the_emulator(self, export: Export, tmp_path: Path) -> None:
        folder = export(GRAPHS["residual"]())
        tool("arm-none-eabi-gcc")
        make = shutil.which("make") or pytest.skip("make is not installed")
        run(make, "build/m3/check.elf", cwd=folder)
        done = subprocess.run(
            [make, "run-m3"],
            cwd=folder,
            env=only(tmp_path / "bin", "sh", "arm-none-eabi-gcc"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "qemu-system-arm is not installed; run-m3 needs it (QEMU)" in done.stdout

    def test_a_core(self, export: Export) -> None:
        tool("make")
        told = run("make", "run-m85", cwd=export(GRAPHS["residual"]()), fails=True)
        assert "there is no core m85; there are m0 m3 m4 m7 m33 m55 rv32" in told

    def test_a_core_in_cmake(self, export: Export) -> None:
        tool("cmake")
        folder = export(GRAPHS["residual"]())
        options = ["-DCMAKE_TOOLCHAIN_FILE=mcu/toolchain.cmake", "-DCORE=m85"]
        told = run("cmake", *options, "-S", ".", "-B", "build", cwd=folder, fails=True)
        assert "CORE is 'm85'; give one of m0 m3" in told


def test_another_cmake_project_takes_it_as_a_library(export: Export, tmp_path: Path) -> None:
    tool("cmake")
    folder = export(GRAPHS["sequence"]())
    ends = prefix(folder)
    project = tmp_path / "project"
    project.mkdir()
    folder.rename(project / "network")
    (project / "main.c").write_text(
        f'#include "{ends}-check.h"\nstatic {ends}_net net;\n'
        f"int main(void) {{ return (int){ends}_check(&net); }}\n"
    )
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\nenable_testing()\n"
        "add_subdirectory(network)\nadd_executable(firmware main.c)\n"
        f"target_link_libraries(firmware {ends}_net m)\n"
        "add_test(NAME firmware COMMAND firmware)\n"
    )
    run("cmake", "-S", ".", "-B", "build", cwd=project)
    run("cmake", "--build", "build", cwd=project)
    told = run("ctest", "--test-dir", "build", cwd=project)
    assert "100% tests passed, 0 tests failed out of 1" in told  # the bundle's own is not there


# What the example uses of Arduino's core, so that it can be compiled and run here.
ARDUINO = """
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
struct Port {
  void begin(long) {}
  operator bool() const { return true; }
  void print(const char* text) { printf("%s", text); }
  void print(unsigned long number) { printf("%lu", number); }
  void print(unsigned number) { printf("%u", number); }
  void print(int number) { printf("%d", number); }
  void println(unsigned long number) { printf("%lu\\n", number); }
};
static Port Serial;
inline unsigned long micros() { return 0; }
inline void delay(unsigned long) { exit(0); }
void setup();
void loop();
int main() { setup(); for (;;) loop(); }
"""


class TestArduino:
    @pytest.mark.parametrize("name", ["residual", "sequence", "signed"])
    def test_its_example_compiles_and_checks(
        self, export: Export, name: str, tmp_path: Path
    ) -> None:
        folder = export(GRAPHS[name]())
        (tmp_path / "Arduino.h").write_text(ARDUINO)
        run(tool("cc"), "-c", *sources(folder), cwd=tmp_path)
        objects = [tmp_path / f"{path.stem}.o" for path in sources(folder)]
        sketch: list[str | Path] = [
            "-x",
            "c++",
            folder / "examples" / "check" / "check.ino",
            "-x",
            "none",
        ]
        flags: list[str | Path] = [
            "-std=c++11",
            *RULES,
            "-I",
            folder / "src",
            "-include",
            tmp_path / "Arduino.h",
        ]
        run(tool("g++"), *flags, *sketch, *objects, "-o", "sketch", cwd=tmp_path)
        assert run(tmp_path / "sketch", cwd=tmp_path).startswith("ok: ")

    def test_its_properties(self, export: Export) -> None:
        folder = export(GRAPHS["signed"]())
        lines = (folder / "library.properties").read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        assert found["name"] == "2-signed.x"
        assert found["architectures"] == "*"
        assert found["includes"].split(",") == ["net_2_signed_x.h", "net_2_signed_x-classes.h"]
        for header in found["includes"].split(","):
            assert (folder / "src" / header).exists()
        wanted = "name version author maintainer sentence paragraph category url architectures"
        assert set(wanted.split()) <= set(found)

    def test_names_of_sketches_and_folders_agree(self, export: Export) -> None:
        (sketch,) = export(GRAPHS["residual"]()).rglob("*.ino")
        assert sketch.stem == sketch.parent.name


def test_platformio_is_told_where_things_are(export: Export) -> None:
    folder = export(GRAPHS["signed"]())
    found = json.loads((folder / "library.json").read_text())
    assert found["name"] == "2-signed.x"
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    for header in found["headers"]:
        assert (folder / found["build"]["includeDir"] / header).exists()
    (example,) = found["examples"]
    for name in example["files"]:
        assert (folder / example["base"] / name).exists()


def test_cores_are_documented_in_the_makefile(tmp_path: Path) -> None:
    folder = export_to(tmp_path)(GRAPHS["residual"]())
    text = (folder / "Makefile").read_text()
    for core in CORES:
        assert f"#   make run-{core.name}" in text
        assert f"{core.processor}: QEMU's board {core.board}" in text
