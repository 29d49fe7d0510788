"""What setup.py builds as ``edgespike.targets.cpu.native._engine``; needs a C compiler.

This file runs before edgespike can be imported: it imports nothing of edgespike.
"""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

CSRC = Path(__file__).with_name("csrc")
SOURCES = [str(path) for path in sorted(CSRC.glob("*.c"))]
HEADERS = [str(path) for path in sorted(CSRC.glob("*.h"))]

FLAGS = [
    "-std=c11",
    "-O3",
    "-g0",
    # Sums of floats are what is written: no fused multiplications.
    "-ffp-contract=off",
    # Sums wrap around modulo 2^16 or 2^32; C leaves their overflow undefined.
    "-fwrapv",
    "-fno-math-errno",
    "-fvisibility=hidden",
]
"""The same for every processor: each kernel set states its own instructions in its file."""


def declarations(header: str) -> str:
    """Return what Python calls: the lines of engine.h between its two marks."""
    return header.partition("/* begin */\n")[2].partition("/* end */\n")[0]


ffibuilder = FFI()
ffibuilder.cdef(declarations((CSRC / "engine.h").read_text("utf-8")))
ffibuilder.set_source(
    "edgespike.targets.cpu.native._engine",
    '#include "engine.h"',
    sources=SOURCES,
    depends=HEADERS,
    include_dirs=[str(CSRC)],
    extra_compile_args=FLAGS,
    optional=True,  # without a compiler, edgespike is installed without the engine
)
