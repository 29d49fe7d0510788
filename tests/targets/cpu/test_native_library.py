"""The compiled engine is loaded when it is asked for; where it is missing, a sentence says why."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgespike.targets.cpu import native
from edgespike.targets.cpu.native.library import kernel_sets, library, missing

MODULE = "edgespike.targets.cpu.native._engine"

HEADER = Path(native.__file__).parent / "csrc" / "engine.h"


@pytest.fixture
def other_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which the engine is looked for, in place of the package's own."""
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.delattr(native, "_engine", raising=False)
    monkeypatch.setattr(native, "__path__", [str(tmp_path)])
    return tmp_path


def test_a_checkout_has_its_engine_with_every_function_of_the_header() -> None:
    assert missing() == ""
    _, lib = library()
    declared = HEADER.read_text().partition("/* begin */")[2].partition("/* end */")[0]
    functions = set(re.findall(r"\b(es_\w+)\(", declared))
    assert len(functions) == 6
    assert functions == set(dir(lib))


def test_the_last_kernel_set_runs_on_every_processor() -> None:
    names = kernel_sets()
    assert names[-1] == "portable"
    assert len(set(names)) == len(names)


def test_where_no_engine_was_built_the_reason_says_how_to_build_it(other_folder: Path) -> None:
    assert kernel_sets() == ()
    assert missing().startswith("the native engine was not built; install a C compiler")
    assert "'pip install -e .'" in missing()
    with pytest.raises(ImportError, match="the native engine was not built"):
        library()


def test_a_damaged_engine_is_a_reason_and_no_crash(other_folder: Path) -> None:
    (other_folder / "_engine.abi3.so").write_bytes(b"\x7fELF, cut off")
    assert kernel_sets() == ()
    reason = missing()
    assert reason.startswith("the native engine cannot be loaded here (")
    assert str(other_folder / "_engine.abi3.so") in reason
    assert "install a C compiler" in reason


def test_an_engine_of_another_processor_is_a_reason_and_no_crash(other_folder: Path) -> None:
    built = bytearray((HEADER.parent.parent / "_engine.abi3.so").read_bytes())
    built[18:20] = (0xF3 if built[18] != 0xF3 else 0x3E, 0)  # the machine of an ELF file: RISC-V
    (other_folder / "_engine.abi3.so").write_bytes(built)
    assert kernel_sets() == ()
    assert missing().startswith("the native engine cannot be loaded here (")


def test_without_cffi_the_reason_names_it() -> None:
    program = (
        "import sys; sys.modules['_cffi_backend'] = None\n"
        "from edgespike.targets.cpu.native.library import missing\n"
        "print(missing())"
    )
    assert said(program) == ["the native engine needs cffi: 'pip install cffi'"]


@pytest.mark.parametrize(
    "program",
    [
        "import edgespike",
        "import edgespike.targets.cpu.native.library",
        "from edgespike.cli import main; sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "except SystemExit: pass",
    ],
    ids=["the package", "the module that loads it", "the help"],
)
def test_what_does_not_need_the_engine_does_not_load_it(program: str) -> None:
    loaded = said(f"import sys\n{program}\nprint({MODULE!r} in sys.modules, 'cffi' in sys.modules)")
    assert loaded[-1] == "False False"


def said(program: str) -> list[str]:
    """Run a program in a new Python, and return the lines that it printed."""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return run.stdout.splitlines()
