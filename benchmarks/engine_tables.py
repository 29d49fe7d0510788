"""The tables of the page about the cpu target's speed, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alternation import beside_limit
from engine_calls import CALL_LIMITS, THREADS_LEAST
from engine_rivals import AVX2, ENGINE, LITERT, METHODS


def limits(engine: dict[str, Any]) -> str:
    """Return every ratio that has a limit."""
    rows = [
        (case["name"], rival, *_compared(case, rival, ENGINE, found))
        for case in engine["cases"]
        for rival, found in case["times as fast as"].items()
        if found["least"] is not None
    ]
    rows += [
        (f"{case['name']}, AVX2 alone", LITERT, *_compared(case, LITERT, AVX2, case["AVX2 alone"]))
        for case in engine["cases"]
        if case["AVX2 alone"]
    ]
    return table(("case", "rival", "rival, µs", "edgespike, µs", "times as fast"), rows)


def _compared(
    case: dict[str, Any], rival: str, ours: str, found: dict[str, float]
) -> tuple[str, str, str]:
    each = case["microseconds a sample"]
    return number(each[rival]), number(each[ours]), beside_limit(found["ratio"], found["least"])


def times(cases: Sequence[dict[str, Any]]) -> str:
    """Return the time of every method in every case."""
    rows = [
        (case["name"], *(number(case["microseconds a sample"].get(name)) for name in METHODS))
        for case in cases
    ]
    return table(("case", *METHODS), rows)


def roofline(cases: Sequence[dict[str, Any]], peaks: dict[str, float]) -> str:
    """Return the work of every case, and how long a core at its peak takes for it."""
    heads = (
        *("case", "operations", "dense operations", "neuron updates", "weights, bytes"),
        *("edgespike, ns an operation", "edgespike, µs"),
        *("operations at the peak, µs", "dense at the peak, µs"),
    )
    return table(heads, [_work(case, peaks) for case in cases])


def _work(case: dict[str, Any], peaks: dict[str, float]) -> tuple[str, ...]:
    done, ours = case["work a sample"], case["microseconds a sample"][ENGINE]
    return (
        case["name"],
        *(f"{done[name]:,.0f}" for name in ("operations", "dense", "updates", "weight_bytes")),
        number(1e3 * ours / done["operations"]),
        number(ours),
        number(done["operations"] / peaks["additions"] / 1e3),
        number(done["dense"] / peaks["products"] / 1e3),
    )


def threads_and_calls(engine: dict[str, Any]) -> str:
    """Return what a call of a tiny net takes, and what the second thread brings."""
    calls = [
        (f"a call of a tiny net, {name}, µs", beside_limit(value, most=CALL_LIMITS[name]))
        for name, value in engine["microseconds a call"].items()
    ]
    threads = [
        (f"two threads over one, {name}", beside_limit(value, least=THREADS_LEAST))
        for name, value in engine["speed of two threads over one"].items()
    ]
    return table(("what", "figure"), calls + threads)


def numba(figures: dict[str, Any]) -> str:
    """Return numba beside C."""
    rows = [
        (f"{title}, {name}", number(value))
        for title, each in figures.items()
        for name, value in each.items()
    ]
    return table(("what", "figure"), rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns but the first are numbers."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Return three digits, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
