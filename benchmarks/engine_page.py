"""Write the page and the plots of engine.py's figures, which are kept next to them as JSON.

    python benchmarks/engine.py --json > engine.json
    python benchmarks/numba_accumulate.py --json > numba.json
    python benchmarks/engine_page.py --engine engine.json --numba numba.json

Without arguments it writes them again from ``docs/engine-measured.json``.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

from engine_plots import operations_plot, time_plot
from engine_rivals import AVX2
from engine_tables import limits, numba, roofline, threads_and_calls, times

DOCS = Path(__file__).resolve().parent.parent / "docs"
FIGURES = DOCS / "engine-measured.json"
PAGE = DOCS / "engine-measured.md"
PLAIN = {"Date": None, "Creator": None}
"""No date in the plots: equal figures give equal files."""

TEXT = """# Time, events and rivals on cpu

Written by `python benchmarks/engine_page.py` from [engine-measured.json](engine-measured.json),
which `python benchmarks/engine.py --json` printed.
{machine}

All methods take the same batches in one process that is pinned to one core, and alternate; times
are CPU times, ratios are medians over neighbouring repetitions. edgespike counts its events. LiteRT
and ONNX Runtime run the files that edgespike exports, without counting. LiteRT's time is that of
the interpreter's calls alone; it is left out where its numbers would not be exact. The answers of
LiteRT, ONNX Runtime and, where nothing leaks, SpikingJelly are compared with edgespike's:
{equality}.

The net of convolutions has the shape of `cnn_sinabs.nir` of the NIR paper (2 x 34 x 34 spikes, 20
steps, one spike a step); "several spikes a step" is the graph as converted. 784-256-10 has leaky
neurons, 8 steps and random weights. Of fashion_s3nn at a rate, that share of the pixels is not 0.

## Limits

{limits}

## Time a sample

![Time a sample against the share of events in the input](engine-time.svg)

Microseconds. Dense products take as long for 1 % of events as for 50 %.

{times}

snnTorch's and SpikingJelly's nets have the graph's weights in float32; the torch and ONNX Runtime
nets in float32 have the graph's shape, with ReLU, or are a plain RNN.

## Work and time

![Time a sample against the operations that its events ask for](engine-operations.svg)

An operation is an event that arrives at a synapse: one weight, a byte, is read and added. At the
peak, this core adds {additions:.0f} weights a nanosecond (int8 widened to 16 bits and added in
registers, from the first cache: `engine_peaks.c`), and takes {products:.0f} dense int8 products a
nanosecond (ONNX Runtime's MatMulInteger, 512 x 784 x 256). It reads {first:.0f} GB/s from the first
cache, {second:.0f} from the second and {memory:.0f} from memory. The columns of the peaks leave out
membranes, thresholds, pools, finding the events, and counting.

{roofline}

## Calls and threads

Wall-clock times: other load on the computer shifts them.

{calls}

## numba or C

The time of an event-driven run goes into adding rows of weights (784 x 256 int8, lists of 78
events). C keeps 128 sums in registers; numba does best with plain loops that keep none, and is far
slower with the loops that C has. It must be imported, and compiles at the first use.

{numba}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", type=Path, help="what engine.py --json printed")
    parser.add_argument("--numba", type=Path, help="what numba_accumulate.py --json printed")
    arguments = parser.parse_args()
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name, path in (("engine", arguments.engine), ("numba", arguments.numba)):
        if path:
            figures[name] = json.loads(path.read_text())
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text(_page(figures["engine"], figures["numba"]))
    time_plot(figures["engine"]).savefig(DOCS / "engine-time.svg", metadata=PLAIN)
    operations_plot(figures["engine"]).savefig(DOCS / "engine-operations.svg", metadata=PLAIN)


def _page(engine: dict[str, Any], numba_figures: dict[str, Any]) -> str:
    peaks = engine["peaks"]
    return TEXT.format(
        machine=_machine(engine),
        equality=_equality(engine["cases"]),
        limits=limits(engine),
        times=times(engine["cases"]),
        roofline=roofline(engine["cases"], peaks),
        calls=threads_and_calls(engine),
        numba=numba(numba_figures),
        additions=peaks["additions"],
        products=peaks["products"],
        first=peaks["GB/s, first cache"],
        second=peaks["GB/s, second cache"],
        memory=peaks["GB/s, memory"],
    )


def _machine(engine: dict[str, Any]) -> str:
    about, loads = engine["machine"], [case["load"] for case in engine["cases"]]
    text = (
        f"The processor is an {about['processor']} (family and model {about['family and model']}; "
        f"{about['vector instructions']}); the cpu target ran on {about['runtime']}. The net of "
        f"convolutions has {engine['weights of the net of convolutions']} weights. The load of the "
        f"computer was {min(loads):.1f} to {max(loads):.1f}."
    )
    if "vnni" not in about["vector instructions"]:
        text += " The limits were set on a core with AVX-512 VNNI, which this one does not have."
    return "\n".join(textwrap.wrap(text, 100))


def _equality(cases: list[dict[str, Any]]) -> str:
    answers = [case["same answers as"] for case in cases]
    same = [equal for each in answers for name, equal in each.items() if name != AVX2]
    return f"equal in {sum(same)} of {len(same)} comparisons"


if __name__ == "__main__":
    main()
