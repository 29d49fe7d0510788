"""Many networks in C in one program, compiled in any way, which ``run_networks.c`` runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.targets.c.build import WARNINGS
from edgespike.targets.c.counters import CONVENTIONS
from edgespike.targets.c.layers import Kernel, kernels_of
from edgespike.targets.c.layout import make_layout
from edgespike.targets.c.run import stored
from edgespike.targets.c.source import Written, write_c
from edgespike.targets.c.values import BYTES, Value
from edgespike.trace import Trace, observed_names
from tests.strategies import Case

Order = Literal["<", ">"]

Forced = Callable[[Graph], Mapping[str, Kernel]]
"""Returns the kernels that a graph's layers have, where they are not those that are chosen."""

HERE = Path(__file__).parent

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")

IN_FILE = 25
"""How many networks are compiled as one file."""


@dataclass(frozen=True)
class Build:
    """A way to compile networks, and what runs them.

    Parameters
    ----------
    compiler
        Command and flags.
    emulator
        Command before the program, if any.
    order
        Of the processor's bytes, as numpy names it.
    links
        Flags that only linking takes.
    """

    compiler: tuple[str, ...]
    emulator: tuple[str, ...] = ()
    order: Order = "<"
    links: tuple[str, ...] = ()

    def require(self, folder: Path) -> None:
        """Skip a test where the compiler, its C library or the emulator is not installed."""
        for name in (self.compiler[0], *self.emulator[:1]):
            if shutil.which(name) is None:
                pytest.skip(f"{name} is not installed")
        trial = folder / "trial.c"
        trial.write_text("#include <stdlib.h>\nint main(void) { return 0; }\n")
        program = folder / "trial"
        command = [*self.compiler, *self.links, str(trial), "-o", str(program)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"{' '.join(self.compiler)} compiles no program: {made.stderr[-300:]}")
        if subprocess.run([*self.emulator, str(program)], check=False).returncode:
            pytest.skip(f"programs of {' '.join(self.compiler)} do not run here")

    def call(self, *arguments: str) -> None:
        """Compile or link."""
        command = [*self.compiler, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr[-6000:]}"


WATCHED = Build(("clang" if shutil.which("clang") else "gcc", "-O0", *SANITIZERS))
"""With sanitizers; clang compiles them in a third of gcc's time."""

BY_GCC = Build(("gcc", "-O1"))


@dataclass(frozen=True)
class Found:
    """What a network computed.

    Parameters
    ----------
    trace
        All observed values; none if it was compiled without them.
    answers, answers_of_run
        The readout after the last step, ``(samples, classes)``, step by step and of whole samples.
    counts
        Operations, and those that multiply, by convention and weighted layer, ``(2, 3, layers)``.
    """

    trace: Trace
    answers: NDArray[Any]
    answers_of_run: NDArray[Any]
    counts: NDArray[np.uint64]


@dataclass(frozen=True)
class Network:
    """A graph in C, as a part of a program."""

    case: Case
    written: Written
    observe: bool
    counts: int

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self.case.graph

    @property
    def values(self) -> list[tuple[str, Value]]:
        """How each observed node's values are shown."""
        names = observed_names(self.graph) if self.observe else []
        return [(name, stored(self.written, self.graph, name)) for name in names]

    @property
    def samples(self) -> NDArray[Any]:
        """Samples ``(samples, steps, *shape)``, channels last, in the network's type."""
        samples = as_samples(self.graph, self.case.samples)
        kind = dtype(self.written.layout.values[self.graph.input.name])
        return np.ascontiguousarray(np.moveaxis(samples, 2, -1).astype(kind))

    def text(self) -> str:
        """Return the network as a part of a file with other networks: names that they share too
        are hidden, nothing else is changed."""
        prefix, source = self.written.prefix, self.written.source
        shared = set(re.findall(r"^static [^=;]*?(\w+)[(\[]", source, re.M))
        shared |= set(re.findall(r"^static const struct \w+ (\w+) ", source, re.M))
        shared |= set(re.findall(r"^struct (\w+)", source, re.M))
        macros = set(re.findall(r"^ *# *define (\w+)", source + self.written.header, re.M))
        macros -= {f"{prefix}_H"}
        own = [f"#define {name} {prefix}__{name}" for name in sorted(shared)]
        asked = [f"#define {prefix}_OBSERVE"] * self.observe
        asked += [f"#define {prefix}_COUNT"] * bool(self.counts)
        hidden = [f"#undef {name}" for name in sorted(shared)]
        after = [f"#undef {name}" for name in sorted(macros)]
        return "\n".join([*own, *asked, source, *hidden, self._entry(), *after, ""])

    def _entry(self) -> str:
        p, shown = self.written.prefix, [value for _, value in self.values]
        sizes = ", ".join(str(value.size * BYTES[value.c_type]) for value in shown) or "0"
        observed = f"{p}_observed" if shown else "0"
        counted = f"&{p}__counts.operations[0][0]" if self.counts else "0"
        counting = [f"static {p}_counts {p}__counts;"] * bool(self.counts)
        begin = f"{p}_counting = &{p}__counts; " if self.counts else ""
        stop = f"{p}_counting = 0; " if self.counts else ""
        return "\n".join(
            [
                *counting,
                f"typedef char {p}__fits[sizeof({p}_net) <= {self.written.memory} ? 1 : -1];",
                f"static const uint32_t {p}__bytes[] = {{{sizes}}};",
                f"static void {p}__init(void *net) {{ {begin}{p}_init(net); }}",
                f"static void {p}__step(void *net, const void *input) {{ {p}_step(net, input); }}",
                f"static const void *{p}__answer(const void *net) {{ return {p}_answer(net); }}",
                f"static const void *{p}__run(void *net, const void *input) "
                f"{{ {stop}return {p}_run(net, input); }}",
                f"const struct network {p}__network = {{sizeof({p}_net), {p}_STEPS, "
                f"sizeof({p}_input) * {p}_INPUT_SIZE, sizeof({p}_output) * {p}_OUTPUT_SIZE, "
                f"{len(shown)}, {p}__bytes, {observed}, {p}__init, {p}__step, "
                f"{p}__answer, {p}__run, {self.counts}, {counted}}};",
            ]
        )

    def read(self, printed: bytes, order: Order) -> tuple[Found, int]:
        """Return what was printed first, and how long that is."""
        place, count, steps = 0, len(self.samples), self.graph.steps
        layers = {name: _shape(self.graph, name) for name, _ in self.values}
        rows: dict[str, list[NDArray[Any]]] = {name: [] for name in layers}
        answer = dtype(self.written.layout.values[self.graph.readout.name])
        size = self.graph.tensors[self.graph.readout.name].size

        def take(kind: np.dtype[Any], length: int) -> NDArray[Any]:
            nonlocal place
            found = np.frombuffer(printed, kind.newbyteorder(order), length, place)
            place += found.nbytes
            return found.astype(kind)

        answers = []
        for _ in range(count):
            for _ in range(steps):
                for name, value in self.values:
                    rows[name].append(take(dtype(value), value.size))
            answers.append(take(answer, size))
        whole = [take(answer, size) for _ in range(count)]
        counts = take(np.dtype(np.uint64), self.counts).reshape(2, 3, -1)
        trace = {
            name: np.moveaxis(np.stack(rows[name]).reshape(count, steps, *shape), -1, 2)
            for name, shape in layers.items()
        }
        return Found(Trace(trace), np.stack(answers), np.stack(whole), counts), place


def dtype(value: Value) -> np.dtype[Any]:
    """Return the type of a node's numbers."""
    return np.dtype(value.c_type.removesuffix("_t"))


def _shape(graph: Graph, name: str) -> tuple[int, ...]:
    channels, *positions = graph.tensors[name].shape
    return (*positions, channels)


def first_kernels(graph: Graph) -> dict[str, Kernel]:
    """Return the first exact kernel of each layer: small graphs would hardly have lists else."""
    layers = make_layout(graph).layers
    return {name: kernels_of(graph, layer)[0] for name, layer in layers.items()}


def run_networks(
    build: Build,
    cases: Sequence[Case],
    folder: Path,
    *,
    observe: bool = True,
    count: bool = False,
    defines: Sequence[str] = (),
    forced: Forced = first_kernels,
) -> list[Found]:
    """Compile a program of all cases' graphs, all warnings being errors, and run their samples."""
    networks = []
    for number, case in enumerate(cases):
        layers = sum(1 for node in case.graph.nodes if node.op.kind in ("dense", "conv2d"))
        written = write_c(case.graph, f"n{number}", forced(case.graph))
        (folder / f"n{number}.h").write_text(written.header)
        networks.append(Network(case, written, observe, 6 * layers * count))
    program = _compile(build, networks, folder, defines)
    given = [
        np.array([number, len(each.samples)], f"{build.order}u4").tobytes()
        + each.samples.astype(each.samples.dtype.newbyteorder(build.order)).tobytes()
        for number, each in enumerate(networks)
    ]
    command = [*build.emulator, str(program)]
    done = subprocess.run(command, input=b"".join(given), capture_output=True, check=False)
    found: list[Found] = []
    place = 0
    for number, network in enumerate(networks):
        if done.returncode and place == len(done.stdout):
            raise AssertionError(
                f"case {number} ends with {done.returncode}: {done.stderr.decode()[-3000:]}"
                f"\n{network.graph}"
            )
        each, length = network.read(done.stdout[place:], build.order)
        found.append(each)
        place += length
    assert place == len(done.stdout)
    assert not done.stderr, done.stderr.decode()[-3000:]
    return found


def _compile(
    build: Build, networks: Sequence[Network], folder: Path, defines: Sequence[str]
) -> Path:
    head = '#include "run_networks.h"\n'
    sources = []
    for start in range(0, len(networks), IN_FILE):
        sources.append(folder / f"part{start}.c")
        parts = [each.text() for each in networks[start : start + IN_FILE]]
        sources[-1].write_text("\n".join([head, *parts]))
    names = [f"{each.written.prefix}__network" for each in networks]
    listed = "".join(f"    &{name},\n" for name in names)
    declared = "".join(f"extern const struct network {name};\n" for name in names)
    table = f"{head}{declared}const struct network *const networks[] = {{\n{listed}}};\n"
    (folder / "networks.c").write_text(table)
    flags = [*WARNINGS, *(f"-D{each}" for each in defines), f"-I{HERE}", f"-I{folder}"]

    def compiled(source: Path) -> str:
        made = str(folder / f"{source.stem}.o")
        build.call(*flags, "-c", str(source), "-o", made)
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(
            pool.map(compiled, [*sources, folder / "networks.c", HERE / "run_networks.c"])
        )
    build.call(*objects, *build.links, "-o", str(folder / "run"))
    return folder / "run"


def assert_exact(
    build: Build,
    cases: Sequence[Case],
    folder: Path,
    *,
    defines: Sequence[str] = (),
    forced: Forced = first_kernels,
) -> None:
    """Compare all that networks compute with the interpreter's values, observed or not."""
    build.require(folder)
    for observe in (True, False):
        found = run_networks(build, cases, folder, observe=observe, defines=defines, forced=forced)
        for number, (case, each) in enumerate(zip(cases, found, strict=True)):
            assert_equal(case, each, interpret(case.graph, case.samples), f"case {number}")


def operations(graph: Graph, counts: Mapping[str, Any]) -> list[list[list[int]]]:
    """Return counts of a graph, as JSON, in the shape of those that a network in C counts."""
    layers = [row for row in counts["layers"] if graph[row["name"]].op.kind in ("dense", "conv2d")]
    kinds = ("synaptic_operations", "multiply_accumulates_by_convention")
    return [
        [[row[kind][convention.value] for row in layers] for convention in CONVENTIONS]
        for kind in kinds
    ]


def assert_equal(case: Case, found: Found, expected: Trace, what: str = "") -> None:
    """Compare what a network computed with the interpreter's values."""
    for name, values in found.trace.values.items():
        np.testing.assert_array_equal(values, expected.values[name], f"{what} {name}\n{case.graph}")
    for answers in (found.answers, found.answers_of_run):
        wanted = expected.accumulators(case.graph)
        np.testing.assert_array_equal(answers, wanted, f"{what}\n{case.graph}")
