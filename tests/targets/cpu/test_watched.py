"""The native engine's tests again, while every access to memory is watched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.targets.cpu.watched import (
    DAMAGE,
    SANITIZERS,
    compile_engine,
    library,
    with_sanitizers,
    with_valgrind,
)

pytestmark = pytest.mark.slow

needs_sanitizers = pytest.mark.skipif(
    not (library("libasan.so") and library("libubsan.so")),
    reason="gcc or its libasan and libubsan are not installed",
)
needs_valgrind = pytest.mark.skipif(
    shutil.which("valgrind") is None or shutil.which("gcc") is None,
    reason="valgrind or gcc is not installed",
)

TESTS = ("attacks", "border", "graphs", "memory", "rows")
"""Native tests in which memory is used in different ways: the others look at numbers, and would
take minutes."""

PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]

FAULTY = """\
#include "engine.h"
#include <stdlib.h>
struct es_net {{ int64_t bytes; }};
const char *es_kernels(int place) {{ return place ? NULL : "faulty"; }}
es_net *es_load(const void *program, size_t bytes, const char *kernels, char *error)
{{ (void)program; (void)bytes; (void)kernels; (void)error; return calloc(1, sizeof(es_net)); }}
void es_free(es_net *net) {{ free(net); }}
size_t es_scratch(const es_net *net)
{{ {fault} }}
int es_lanes(const es_net *net) {{ (void)net; return 0; }}
int es_run(const es_net *net, void *scratch, const void *samples, int32_t type, int64_t count,
           int64_t sample_stride, int64_t step_stride, int64_t *answers, uint32_t *events,
           void *const *kept)
{{ (void)net; (void)scratch; (void)samples; (void)type; (void)count; (void)sample_stride;
  (void)step_stride; (void)answers; (void)events; (void)kept; return 0; }}
"""
"""An engine whose es_scratch does what a test says."""

BEYOND = "return (size_t)net[1].bytes;"
SHIFT = "return (size_t)(1 << ((int32_t)net->bytes + 32));"
LOST = "if (!calloc(3, 7)) return 0; "
RIGHT = "return (size_t)net->bytes;"

CALL = """
from edgespike.targets.cpu.native.library import kernel_sets, library
ffi, lib = library()
assert kernel_sets() == ("faulty",)
net = lib.es_load(ffi.NULL, 0, ffi.NULL, ffi.NULL)
lib.es_scratch(net)
lib.es_free(net)
"""


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """An engine with sanitizers, compiled by the first worker that needs it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "sanitized"
    with FileLock(f"{shared}.lock"):
        built = shared / "_engine.abi3.so"
        if not built.exists():
            shared.mkdir(exist_ok=True)
            compile_engine(shared, ["-O0", *SANITIZERS])
    return built


@needs_sanitizers
@pytest.mark.parametrize("name", TESTS)
def test_the_native_tests_pass_with_sanitizers(name: str, sanitized: Path, tmp_path: Path) -> None:
    tests = str(Path(__file__).with_name(f"test_native_{name}.py"))
    assert with_sanitizers([*PYTEST, tests], tmp_path, sanitized) == 0


@needs_sanitizers
@pytest.mark.parametrize(
    ("fault", "code"),
    [(RIGHT, 0), (BEYOND, DAMAGE), (SHIFT, DAMAGE)],
    ids=["nothing", "read beyond its memory", "shift too far"],
)
def test_sanitizers_find_what_an_engine_does_wrong(fault: str, code: int, tmp_path: Path) -> None:
    built = compile_engine(tmp_path, SANITIZERS, [faulty(fault, tmp_path)])
    assert with_sanitizers(["-c", CALL], tmp_path, built) == code


@needs_valgrind
def test_random_graphs_run_in_valgrind(tmp_path: Path) -> None:
    assert with_valgrind(["-m", "tests.targets.cpu.native_runs", "1"], tmp_path) == 0


@needs_valgrind
def test_valgrind_finds_what_an_engine_does_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = compile_engine(tmp_path, ["-O0"], [faulty(LOST + BEYOND, tmp_path)])
    assert with_valgrind(["-c", CALL], tmp_path, built) == DAMAGE
    found = capsys.readouterr().out
    assert "Invalid read of size 8: es_scratch (engine.c:9)" in found
    assert "21 bytes in 1 blocks are definitely lost" in found


def faulty(fault: str, folder: Path) -> str:
    source = folder / "engine.c"
    source.write_text(FAULTY.format(fault=fault))
    return str(source)
