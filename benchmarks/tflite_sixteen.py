"""Measure models and arenas of recurrent nets on TFLite Micro, in float32 and with 16 bits.

    pip install -c constraints.txt -e ".[train,tflite]" && pip install --pre tflite-micro
    python benchmarks/tflite_sixteen.py

The nets read the 28 rows of an image: the shipped one, and untrained ones of 42 units with random
weights. Every arena is the smallest with which TFLite Micro runs the model on this computer, and
every answer must be the interpreter's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import torch
from torch import nn

import edgespike
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.nn import InputScale, LastStep, QuantGRU, QuantLinear, QuantRNN
from edgespike.targets.tflite.devices.arena import run_on_tflite_micro
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input

ROWS, UNITS, CLASSES = 28, 42, 10
GATE_STATES = 17
IMAGES = 2


def main() -> None:
    """Print a table in Markdown, or why there is none."""
    if find_spec("tflite_micro") is None:
        print("skipped: tflite-micro is not installed (pip install --pre tflite-micro)")
        return
    print("| net | numbers | model | arena |\n|---|---|---|---|")
    for name, graph in nets():
        for numbers, sixteen in (("float32", False), ("16 bits", True)):
            model, arena = measured(graph, sixteen)
            layer = "" if sixteen else name
            print(f"| {layer} | {numbers} | {model:,} bytes | {arena:,} bytes |", flush=True)


def nets() -> Iterator[tuple[str, Graph]]:
    """Yield the nets of the table."""
    yield "`fashion_rnn`, ReLU of 64 levels", shipped_model("fashion_rnn")
    for states in (17, 65):
        rnn = QuantRNN(ROWS, UNITS, 1 / 255, "tanh", states)
        yield f"tanh of {states} levels, untrained", integer_graph(rnn)
    gru = QuantGRU(ROWS, UNITS, 1 / 255, 65, GATE_STATES)
    yield f"GRU of 65 levels, gates of {GATE_STATES}, untrained", integer_graph(gru)


def integer_graph(layer: QuantRNN | QuantGRU) -> Graph:
    """Return the graph of a net with one recurrent layer, with weights of seed 0."""
    torch.manual_seed(0)
    for parameter in layer.parameters():
        if parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter)
    readout = QuantLinear(UNITS, CLASSES, bias=True)
    return edgespike.convert(
        nn.Sequential(InputScale(255), layer, LastStep(), readout), (ROWS, ROWS)
    )


def measured(graph: Graph, sixteen: bool) -> tuple[int, int]:
    """Return the bytes of a model and of its arena.

    Raises
    ------
    SystemExit
        An answer is not the interpreter's.
    """
    model = lower(make_plan(graph, sixteen=sixteen))
    images, _ = shipped_images("fashion_rnn")
    samples = images[:IMAGES].reshape(IMAGES, ROWS, ROWS)
    batch = encode_input(graph, model, samples)
    answers, arena = run_on_tflite_micro(sys.executable, model, batch)
    if not np.array_equal(answers, interpret(graph, samples).accumulators(graph)):
        raise SystemExit(f"{graph.name}: TFLite Micro's answers are not those of the interpreter")
    return len(model.content), arena


if __name__ == "__main__":
    main()
