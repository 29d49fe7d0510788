"""What builds a bundle: make and cmake, here and for emulated boards; packages for Arduino."""

from __future__ import annotations

import json
from collections.abc import Mapping

from edgespike.graph import Graph
from edgespike.targets.c.bundle.cores import CORES, Core
from edgespike.targets.c.bundle.templates import fill, template
from edgespike.targets.c.names import title_of


def building_files(graph: Graph, prefix: str, sources: list[str]) -> Mapping[str, str]:
    """Return the text of each file, by its place in the bundle.

    Parameters
    ----------
    prefix
        What all names begin with.
    sources
        The library's files.
    """
    names = " ".join(core.name for core in CORES)
    filled = {
        "Makefile": fill(
            "makefile",
            prefix=prefix,
            sources=" ".join(sources),
            core_names=names,
            cores="\n".join(_described(core) for core in CORES),
            tables="\n\n".join(map(_for_make, CORES)),
        ),
        "CMakeLists.txt": fill("cmakelists", prefix=prefix, sources=" ".join(sources)),
        "mcu/toolchain.cmake": fill(
            "toolchain.cmake", core_names=names, tables="\nelse".join(map(_for_cmake, CORES))
        ),
        "library.properties": fill(
            "library.properties",
            title=title_of(graph.name),
            short=graph.name,
            hash=graph.hash,
            prefix=prefix,
        ),
        "library.json": _library_json(graph, prefix),
        "examples/check/check.ino": fill("example.ino", prefix=prefix),
        **{f"mcu/{core.name}.ld": _memory(core) for core in CORES},
    }
    copied = {
        "check/port.h": "port.h",
        "check/port_host.c": "port_host.c",
        "mcu/port_mcu.h": "port_mcu.h",
        "mcu/port_mcu.c": "port_mcu.c",
        "mcu/cortex_m.c": "cortex_m.c",
        "mcu/riscv.c": "riscv.c",
        "mcu/include/math.h": "math.h",
        "mcu/include/string.h": "string.h",
        "mcu/sections.ld": "sections.ld",
    }
    return {**filled, **{place: template(name) for place, name in copied.items()}}


def _described(core: Core) -> str:
    return f"#   make run-{core.name:<5}{core.processor}: QEMU's board {core.board}"


def _values(core: Core) -> dict[str, str]:
    return {
        "TOOLS": core.tools,
        "OPTIONS": core.options,
        "EMULATOR": core.command,
        "START": core.start,
    }


def _for_make(core: Core) -> str:
    return "\n".join(f"{name}_{core.name} := {value}" for name, value in _values(core).items())


def _for_cmake(core: Core) -> str:
    lines = "\n".join(f'  set({name} "{value}")' for name, value in _values(core).items())
    return f'if(CORE STREQUAL "{core.name}")\n{lines}'


def _memory(core: Core) -> str:
    return fill(
        "memory.ld",
        processor=core.processor,
        board=core.board,
        vectors=f"{core.vectors:#010x}",
        flash=f"{core.flash:#010x}",
        flash_size=core.flash_size,
        ram=f"{core.ram:#010x}",
        ram_size=core.ram_size,
    )


def _library_json(graph: Graph, prefix: str) -> str:
    """Return PlatformIO's description of the library."""
    content = {
        "name": title_of(graph.name),
        "version": "1.0.0",
        "description": f"The network {graph.name} in portable C. Graph {graph.hash}.",
        "keywords": ["neural network", "spiking"],
        "authors": [{"name": "edgespike"}],
        "headers": [f"{prefix}.h", f"{prefix}-classes.h"],
        "frameworks": "*",
        "platforms": "*",
        "build": {"srcDir": "src", "includeDir": "src"},
        "examples": [
            {"name": "check", "base": "examples/check", "files": ["check.ino"]},
        ],
    }
    return f"{json.dumps(content, indent=2)}\n"
