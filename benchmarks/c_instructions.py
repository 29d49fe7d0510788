"""Fit the instruction model of the c target to measurements under QEMU, and say how well it fits.

Every net of ``c_graphs.py`` runs on every core of ``c_machines.py``; its answers must be those of
the definition. A function's instructions are the sum of its amounts (``targets/c/amounts.py``)
times coefficients that are not negative, fitted so that relative errors are small. The error that
is stated is that of nets that were left out of the fit, one after the other.

``--write`` replaces ``edgespike/targets/c/instructions.json``. ``--keep FILE`` writes measurements
to a file, and takes those that it holds already of nets whose source is still the same. Needs
scipy, and what ``c_machines.py`` needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from c_graphs import Case, cases
from c_machines import CORES, run_on
from numpy.typing import NDArray
from scipy.optimize import nnls  # type: ignore[import-untyped]

from edgespike.counting import tally_trace
from edgespike.interpreter import interpret
from edgespike.targets.c.amounts import program_work
from edgespike.targets.c.instructions import DATA, FORMAT
from edgespike.targets.c.lower import lower
from edgespike.targets.c.source import write_c

OPTIONS = "-O2"


def main() -> None:
    """Measure, fit, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    nets = list(cases())
    kept = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else []
    measured = []
    for case in nets:
        measured.append(_measure(case, kept))
        if given.keep is not None:
            given.keep.write_text(json.dumps(measured))
    works = [_works(case) for case in nets]
    found = {core: _fit(core, works, measured) for core in CORES}
    _print(found)
    if given.write:
        answer = {
            "format": FORMAT,
            "emulator": _first_line("qemu-system-arm", "--version"),
            "compilers": sorted(
                {_first_line(core.compiler, "--version") for core in CORES.values()}
            ),
            "options": OPTIONS,
            "cores": found,
            "measurements": measured,
        }
        DATA.write_text(_text(answer))


def _measure(case: Case, kept: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a net does on each core, from an earlier run if its source is still the same."""
    written = write_c(case.graph, "network", case.forced)
    for row in kept:
        if row["net"] == case.graph.name and row["source"] == source_hash(written.source):
            return row
    expected = interpret(case.graph, case.samples).accumulators(case.graph)

    def on(name: str) -> tuple[str, Any]:
        with TemporaryDirectory() as folder:
            found = run_on(CORES[name], written, case.samples, Path(folder))
        if not (found.outputs == expected).all():
            raise RuntimeError(f"{case.graph.name} on {name} gives other answers")
        return name, found

    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(on, CORES))
    print(f"measured {case.graph.name}", flush=True)
    return {
        "net": case.graph.name,
        "graph": case.graph.hash,
        "source": source_hash(written.source),
        "samples": len(case.samples),
        "text": _code_length(case),
        "instructions": {
            core: {name: round(count, 1) for name, count in each.instructions.items()}
            for core, each in found.items()
        },
        "code": {core: each.code for core, each in found.items()},
        "stack": {core: each.stack for core, each in found.items()},
    }


def source_hash(text: str) -> str:
    """Return the hash of a network's source."""
    return hashlib.sha256(text.encode()).hexdigest()


def _code_length(case: Case) -> int:
    program, _ = lower(case.graph, forced=case.forced)
    return len(program.kernels.text()) + sum(map(len, program.functions))


def _works(case: Case) -> dict[str, Mapping[str, float]]:
    """Return each function's amounts, by the name that it has in C."""
    tally = tally_trace(case.graph, case.samples, interpret(case.graph, case.samples))
    program, layout = lower(case.graph, forced=case.forced)
    return {
        layout.identifiers[work.node] if work.node else "": work.amounts
        for work in program_work(program, layout, tally.events, tally.samples)
    }


def _fit(
    core: str, works: Sequence[Mapping[str, Mapping[str, float]]], measured: Sequence[Any]
) -> dict[str, Any]:
    """Return a core's coefficients and the errors of nets that are left out."""
    names = sorted({name for net in works for each in net.values() for name in each})
    rows = [
        (index, each, row["instructions"][core][function])
        for index, (net, row) in enumerate(zip(works, measured, strict=True))
        for function, each in net.items()
    ]
    nets = np.array([index for index, _, _ in rows])
    matrix = np.array([[each.get(name, 0.0) for name in names] for _, each, _ in rows])
    counts = np.array([max(count, 0.0) for _, _, count in rows])
    whole = _solve(matrix, counts, nets)
    errors = []
    for index in range(len(works)):
        kept = nets != index
        own = _solve(matrix[kept], counts[kept], nets[kept])
        errors.append(float((matrix[~kept] @ own).sum() / counts[~kept].sum() - 1))
    return {
        "coefficients": {
            name: round(float(value), 3) for name, value in zip(names, whole, strict=True)
        },
        "left_out": {
            row["net"]: round(error, 4) for row, error in zip(measured, errors, strict=True)
        },
        "code": [round(float(each), 4) for each in _code(core, measured)],
        "stack": max(row["stack"][core] for row in measured),
    }


def _solve(
    matrix: NDArray[np.float64], counts: NDArray[np.float64], nets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return coefficients of at least 0, for small relative errors of functions and nets."""
    weight = 1 / (counts + 200)
    groups = np.unique(nets)
    by_net = (nets == groups[:, None]).astype(float)
    totals, sums = by_net @ matrix, by_net @ counts
    both = np.concatenate([matrix * weight[:, None], 3 * totals / sums[:, None]])
    wanted = np.concatenate([counts * weight, np.full(len(groups), 3.0)])
    scale = np.maximum(np.abs(both).max(axis=0), 1e-12)
    found, _ = nnls(both / scale, wanted, maxiter=20_000)
    return np.asarray(found / scale)


def _code(core: str, measured: Sequence[Any]) -> NDArray[np.float64]:
    """Return bytes of code: a constant, and so many for each character of C."""
    sizes = np.array([row["code"][core] for row in measured], float)
    lengths = np.array([[1.0, row["text"]] for row in measured])
    found, _ = nnls(lengths / sizes[:, None], np.ones(len(sizes)))
    return np.asarray(found)


def _print(found: Mapping[str, Any]) -> None:
    for core, each in found.items():
        errors = np.array(list(each["left_out"].values()))
        worst = max(each["left_out"], key=lambda name: abs(each["left_out"][name]))
        print(
            f"{core}: left out, median {np.median(np.abs(errors)):.1%}, 90 % within "
            f"{np.quantile(np.abs(errors), 0.9):.1%}, worst {worst} {each['left_out'][worst]:+.1%}"
        )


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def _text(answer: Mapping[str, Any]) -> str:
    """Return JSON with a line for each entry of the innermost tables."""
    return "\n".join(_lines(answer)) + "\n"


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    flat = json.dumps(value)
    if len(flat) + len(indent) <= 100 or not isinstance(value, dict | list):
        yield f"{indent}{flat}"
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{indent}{opening}"
    items = value.items() if isinstance(value, dict) else enumerate(value)
    last = len(value) - 1
    for number, (key, each) in enumerate(items):
        lines = list(_lines(each, indent + " "))
        if isinstance(value, dict):
            lines[0] = f"{indent} {json.dumps(key)}: {lines[0].lstrip()}"
        lines[-1] += "," if number != last else ""
        yield from lines
    yield f"{indent}{closing}"


if __name__ == "__main__":
    main()
