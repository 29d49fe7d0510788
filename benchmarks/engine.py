"""Measure the cpu target, counting, against other runtimes: time a sample, and work a sample.

    pip install -c constraints.txt -e ".[train,tflite,bench]"
    python benchmarks/engine.py --weights cnn_sinabs.nir

All methods run the same batches in one process that is pinned to one core; repetitions of the
methods alternate. Times are CPU times of the process, ratios are medians over neighbouring
repetitions. The net of convolutions reads its weights from a NIR file that holds such a net;
without one they are random. The last lines, threads and single calls, are wall-clock times, so run
nothing else meanwhile. What misses a limit is no error.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alternation import beside_limit, make_parser, measure, ratio, show
from engine_calls import CALL_LIMITS, THREADS_LEAST, microseconds_a_call, speed_of_two_threads
from engine_cases import Case, cases
from engine_rivals import (
    AVX2,
    ENGINE,
    LITERT,
    METHODS,
    Answers,
    Method,
    methods,
    with_avx2,
)
from engine_roofline import peaks, work
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from edgespike.models import shipped_model
from edgespike.targets.cpu import CpuRunner

SECONDS = 0.02
"""Least time of a method in a repetition, for which it runs its batch several times."""


def main() -> None:
    parser = make_parser(__doc__, repetitions=9)
    parser.add_argument("--weights", type=Path, help="NIR file with the net of convolutions")
    parser.add_argument("--only", default="", help="run only cases with this text in their names")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [each for each in cases(arguments.weights) if arguments.only in each.name]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    peak = peaks()
    with threadpool_limits(1), torch.no_grad():
        found = [compare(case, arguments.repetitions) for case in chosen]
    calls = microseconds_a_call()
    os.sched_setaffinity(0, cores)
    threads = speed_of_two_threads(chosen, arguments.repetitions) if len(cores) > 1 else {}
    result = {
        "machine": machine(),
        "weights of the net of convolutions": "random" if arguments.weights is None else "trained",
        "load": os.getloadavg()[0],
        "peaks": peak,
        "cases": found,
        "microseconds a call": calls,
        "speed of two threads over one": threads,
    }
    show(result, arguments.json, _print)


def compare(case: Case, repetitions: int) -> dict[str, Any]:
    """Alternate all methods on a case."""
    made = methods(case.graph, case.batches)
    if case.least_with_avx2:
        made |= with_avx2(case.graph, case.batches)
    seconds, answers = _measure(made, repetitions)
    samples = len(case.samples)
    return {
        "net": case.net,
        "name": case.name,
        "rate": case.rate,
        "batch": case.batch,
        "microseconds a sample": {
            name: 1e6 * statistics.median(each) / samples for name, each in seconds.items()
        },
        "times as fast as": {
            name: {"ratio": ratio(seconds[name], seconds[ENGINE]), "least": case.least.get(name)}
            for name in made
            if name not in (ENGINE, AVX2)
        },
        "AVX2 alone": _with_avx2(case, seconds),
        "same answers as": {
            name: _equal(answer, answers[ENGINE])
            for name, answer in answers.items()
            if name != ENGINE and answer[0] is not None
        },
        "work a sample": work(case.graph, case.samples),
        "load": os.getloadavg()[0],
    }


def _with_avx2(case: Case, seconds: dict[str, list[float]]) -> dict[str, Any] | None:
    if AVX2 not in seconds:
        return None
    return {"ratio": ratio(seconds[LITERT], seconds[AVX2]), "least": case.least_with_avx2}


def _measure(
    made: dict[str, Method], repetitions: int
) -> tuple[dict[str, list[float]], dict[str, Answers]]:
    """Alternate methods; return the seconds of a batch, and each method's answer."""
    times = {name: _times(method) for name, method in made.items()}
    repeated = {name: partial(_repeat, method, times[name]) for name, method in made.items()}
    seconds, answers = measure(repeated, repetitions)
    each = {name: [one / times[name] for one in found] for name, found in seconds.items()}
    return each, answers


def _equal(answers: Answers, others: Answers) -> bool:
    pairs = zip(answers, others, strict=True)
    return all(a is not None and b is not None and np.array_equal(a, b) for a, b in pairs)


def _times(method: Callable[[], object]) -> int:
    """Return how often a method runs in a repetition."""
    method()
    start = time.process_time()
    method()
    return max(1, round(SECONDS / max(time.process_time() - start, 1e-6)))


def _repeat(method: Callable[[], Any], times: int) -> Any:
    for _ in range(times):
        answer = method()
    return answer


def machine() -> dict[str, str]:
    """Name the processor, the vector instructions that matter here, and the runtime."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    said = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    about = {key.strip(): value.strip() for key, value in said.items()}
    flags = about.get("flags", "").split()
    vectors = [each for each in ("avx2", "avx512bw", "avx512_vnni", "avx_vnni") if each in flags]
    return {
        "processor": about.get("model name", platform.processor()),
        "family and model": f"{about.get('cpu family')}, {about.get('model')}",
        "vector instructions": ", ".join(vectors),
        "runtime": CpuRunner(shipped_model()).runtime,
    }


def _print(result: dict[str, Any]) -> None:
    console = Console(width=120)
    console.print(", ".join(result["machine"].values()))
    for case in result["cases"]:
        console.print(_table(case))
        _print_work(console, case, result["peaks"])
    for name, value in result["microseconds a call"].items():
        console.print(f"one call, {name}: {beside_limit(value, most=CALL_LIMITS.get(name))} us")
    for name, value in result["speed of two threads over one"].items():
        console.print(f"two threads over one, {name}: {beside_limit(value, least=THREADS_LEAST)}")
    console.print(f"peaks of a core: {result['peaks']}; load {result['load']:.2f}")


def _table(case: dict[str, Any]) -> Table:
    table = Table(title=case["name"])
    for column in ("Method", "us a sample", "edgespike is times as fast", "answers"):
        table.add_column(column)
    for name in METHODS:
        if name not in case["microseconds a sample"]:
            continue
        faster = case["times as fast as"].get(name)
        same = case["same answers as"].get(name)
        table.add_row(
            name,
            f"{case['microseconds a sample'][name]:,.3g}",
            beside_limit(faster["ratio"], faster["least"]) if faster else "",
            "" if same is None else ("equal" if same else "DIFFERENT"),
        )
    return table


def _print_work(console: Console, case: dict[str, Any], peak: dict[str, float]) -> None:
    if alone := case["AVX2 alone"]:
        faster = beside_limit(alone["ratio"], alone["least"])
        console.print(f"  with AVX2 alone {faster} times as fast as LiteRT")
    done, ours = case["work a sample"], case["microseconds a sample"][ENGINE]
    console.print(
        f"  {done['operations']:,.0f} operations of {done['dense']:,.0f} dense ones, "
        f"{done['updates']:,.0f} neuron updates; {1e3 * ours / done['operations']:.3g} ns an "
        f"operation; at the core's peak: events {done['operations'] / peak['additions'] / 1e3:.3g} "
        f"us, dense products {done['dense'] / peak['products'] / 1e3:.3g} us"
    )


if __name__ == "__main__":
    main()
