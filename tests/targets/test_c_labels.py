"""Names and scaling in C: compiled with all warnings, and compared with Python's."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.graph import Dense, Graph, Input, Node, Readout
from edgespike.targets.shared.c_classes import classes_c, classes_h
from edgespike.targets.shared.c_labels import StoredInput, c_string, measured_c, measured_h
from edgespike.targets.shared.c_names import c_prefix
from tests.targets.labelled import GRAPHS, NAMES, in_units, measured_for

FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
COMPILERS = ["cc -std=c99", "cc -std=c11", "cc -std=c11 -O3 -march=native", "g++ -x c++ -std=c++17"]
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) is installed")


def run(*command: str | Path, folder: Path, given: bytes = b"") -> bytes:
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def compiler(command: str) -> list[str]:
    """Return a compiler's command, or skip the test if it is not installed."""
    name, *options = command.split()
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return [name, *options, *FLAGS]


DECLARED = """
#include <stdint.h>
typedef int32_t net_2nd_x_output;
#define net_2nd_x_OUTPUT_SIZE COUNT
"""

PRINT_NAMES = """
#include <stdio.h>
#include "net_2nd_x-classes.h"
int main(void) {
  for (int i = 0; i < net_2nd_x_CLASSES; ++i) {
    fputs(net_2nd_x_class_names[i], stdout);
    putchar(0);
  }
  return 0;
}
"""


@pytest.mark.parametrize("command", COMPILERS)
def test_names_are_what_they_were(command: str, tmp_path: Path) -> None:
    names = (*NAMES, "".join(map(chr, range(32, 127))), "?" * 100, "é" * 100, "\\x41\\101 0")
    nodes = (
        Node("input", Input((1,), 0, 1, 1.0)),
        Node(
            "dense",
            Dense(np.ones((len(names), 1), np.int64), np.zeros(len(names), np.int64)),
            ("input",),
        ),
        Node("out", Readout(np.ones(len(names))), ("dense",)),
    )
    graph = Graph("2nd.x", nodes, class_names=names)
    prefix = c_prefix(graph.name)
    (tmp_path / "net_2nd_x.h").write_text(DECLARED.replace("COUNT", str(len(names))))
    (tmp_path / "net_2nd_x-classes.h").write_text(classes_h(graph, prefix), "ascii")
    (tmp_path / "net_2nd_x-classes.c").write_text(classes_c(graph, prefix), "ascii")
    (tmp_path / "main.c").write_text(PRINT_NAMES)
    run(*compiler(command), "main.c", "net_2nd_x-classes.c", "-o", "main", folder=tmp_path)
    printed = run(tmp_path / "main", folder=tmp_path)
    assert tuple(printed.decode().split("\0")[:-1]) == names


def test_a_string_in_c() -> None:
    assert c_string('a"\\?é1') == r'"a\042\134\077\303\2511"'


# Reads runs of doubles; writes what becomes of each, after a byte that says whether it was taken.
SCALE = """
#include <stdio.h>
#include "NAME-measured.h"
int main(void) {
  static double measured[NAME_MEASURED_SIZE];
  static TYPE input[NAME_MEASURED_SIZE];
  while (fread(measured, sizeof(measured), 1, stdin) == 1) {
    putchar(NAME_from_measured(measured, input));
    fwrite(input, sizeof(input), 1, stdout);
  }
  return 0;
}
"""

STORED = {
    "int8": (StoredInput("int8_t", -3), np.int8),
    "int16": (StoredInput("int16_t", 7), np.int16),
    "float": (StoredInput("float", unit=0.04), np.float32),
}


def build(tmp_path: Path, command: str, name: str, stored: StoredInput) -> tuple[Path, int]:
    """Return a program that scales runs of doubles, and how many a run has."""
    graph = GRAPHS[name]()
    op, prefix, size = graph.input_op, c_prefix(graph.name), int(np.prod(graph.input_op.shape))
    assert graph.scaling is not None
    content = measured_c(prefix, graph.scaling, op.low, op.high, stored)
    (tmp_path / f"{prefix}-measured.c").write_text(content, "ascii")
    (tmp_path / f"{prefix}-measured.h").write_text(measured_h(prefix, size, stored), "ascii")
    (tmp_path / "main.c").write_text(SCALE.replace("NAME", prefix).replace("TYPE", stored.type))
    run(*compiler(command), "main.c", f"{prefix}-measured.c", "-o", "main", folder=tmp_path)
    return tmp_path / "main", size


@pytest.mark.parametrize(
    ("command", "name", "form"),
    [
        *((COMPILERS[0], "signed", form) for form in STORED),
        *((command, "image", "int16") for command in COMPILERS),
        (COMPILERS[0], "sequence", "int8"),
    ],
)
def test_measured_numbers_become_the_same_input(
    command: str, name: str, form: str, tmp_path: Path
) -> None:
    stored, dtype = STORED[form]
    program, size = build(tmp_path, command, name, stored)
    graph = GRAPHS[name]()
    measured = measured_for(graph, 400).reshape(-1, *graph.input_op.shape)
    whole = in_units(graph, measured)
    if measured.ndim == 4:
        measured, whole = np.moveaxis(measured, 1, -1), np.moveaxis(whole, 1, -1)
    found = run(program, folder=tmp_path, given=measured.tobytes())
    rows = np.frombuffer(found, np.uint8).reshape(len(measured), -1)
    assert (rows[:, 0] == 1).all()
    wanted = whole.reshape(-1, size)
    if stored.unit is not None:
        wanted = (wanted * stored.unit).astype(np.float32)
    else:
        wanted = (wanted + stored.zero_point).astype(dtype)
    np.testing.assert_array_equal(np.ascontiguousarray(rows[:, 1:]).view(dtype), wanted)


@needs_cc
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_taken(bad: float, tmp_path: Path) -> None:
    program, size = build(tmp_path, COMPILERS[0], "signed", StoredInput("int8_t"))
    measured = np.zeros((2, size))
    measured[0, -1] = bad
    found = run(program, folder=tmp_path, given=measured.tobytes())
    assert found[: 1 + size] == bytes(1 + size)  # not taken, and nothing is written
    assert found[1 + size] == 1


@needs_cc
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("-ffast-math", "compile it without -ffast-math"),
        ("-Ofast", "compile it without -ffast-math"),
        ("-fsingle-precision-constant", "constants_are_doubles"),
    ],
)
def test_with_options_that_round_otherwise_it_does_not_compile(
    option: str, message: str, tmp_path: Path
) -> None:
    build(tmp_path, COMPILERS[0], "signed", StoredInput("int8_t"))
    command = [*compiler(COMPILERS[0]), option, "-c", "net_2_signed_x-measured.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unrecognized" in done.stderr or "unsupported" in done.stderr:
        pytest.skip(f"the compiler has no option {option}")
    assert done.returncode != 0
    assert message in done.stderr


def test_scaling_constants_are_read_exactly() -> None:
    graph = GRAPHS["signed"]()
    assert graph.scaling is not None
    text = measured_c("x", graph.scaling, -127, 127, StoredInput("int8_t"))
    for value in (*graph.scaling.offset, *graph.scaling.step):
        assert f"  {value.hex()}, /* {value!r} */" in text


def test_a_prefix_is_an_identifier_whatever_the_name() -> None:
    graph = replace(GRAPHS["signed"](), name="9-lives.2")
    assert c_prefix(graph.name) == "net_9_lives_2"
