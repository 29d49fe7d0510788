"""Graphs of snnTorch nets beside snnTorch: equal where parameters are exact, else the distance.

The first table has nets with dyadic parameters, in float64: 200 random binary inputs, 25 steps, and
the spikes that differ, of snnTorch and of the graph. The second has nets that snnTorch trains on
scikit-learn's digits (1,797 images of 8x8): accuracy before and after, and the spikes and answers
that differ, for weights of several bits. The third has a net for movements with a smartwatch, if
seglearn's source distribution is named, and the fourth NeuroBench's SNN2, if its file is named.

``python -m experiments.snntorch.run`` rehearses in seconds; ``--full`` takes a few minutes on one
core. It needs scikit-learn, which edgespike does not: ``pip install scikit-learn``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

from edgespike.converters.base import ConvertOptions
from edgespike.converters.snntorch import activity, float_net
from edgespike.interpreter import interpret
from edgespike.quantise import quantise
from edgespike.storage.files import write_atomically
from edgespike.trace import logits
from experiments.snntorch import watch
from experiments.snntorch.nets import NETS, STEPS, scores, train
from tests.converters.spiking.nets import NETS as EXACT
from tests.converters.spiking.nets import dyadic

BITS = (16, 8, 6, 4)
TEST = 360
"""Images of the digits that are kept for testing, the last ones: other writers."""


def exact_rows(samples: int) -> Iterator[str]:
    """Yield a row for each net with dyadic parameters."""
    yield "| net | neuron-steps | spikes | differ |"
    yield "|---|---:|---:|---:|"
    for name, (make, shape) in EXACT.items():
        model = dyadic(make())
        options = ConvertOptions(
            input_shape=shape, steps=STEPS, input_range=(0, 1), input_scale=1.0
        )
        stepped = () if name.startswith("dense") else (STEPS,)
        x = np.random.default_rng(0).integers(0, 2, (samples, *stepped, *shape))
        made = quantise(float_net(model, options), options, "net")
        expected = activity(model, options, x)
        values = interpret(made.graph, x).values
        different = sum(
            int((values[made.nodes[path]] != spikes).sum()) for path, spikes in expected.items()
        )
        size = sum(spikes.size for spikes in expected.values())
        fired = sum(int(spikes.sum()) for spikes in expected.values())
        yield f"| {name} | {size:,} | {fired:,} | {different} |"


def trained_rows(epochs: int, count: int) -> Iterator[str]:
    """Yield a row for each trained net and number of bits."""
    datasets = import_module("sklearn.datasets")  # no part of edgespike's environment
    images, labels = datasets.load_digits(return_X_y=True)
    whole = images.astype(np.int64).reshape(-1, 1, 8, 8)
    real = torch.tensor(whole / 16, dtype=torch.float32)
    targets = torch.tensor(labels)
    test, answers = whole[-TEST:][:count], labels[-TEST:][:count]
    yield "| net | snnTorch | bits | graph | hidden spikes that differ | answers that differ |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, (make, readout) in NETS.items():
        torch.manual_seed(0)
        net = make()
        train(net, real[:-TEST], targets[:-TEST], readout, epochs)
        with torch.no_grad():
            before = scores(net, real[-TEST:][:count], readout).argmax(1).numpy()
        for bits in BITS:
            yield f"| {name} | {_percent(before == answers)} | {bits} | " + _graph(
                net, test, before, answers, bits, readout
            )


def _graph(net: nn.Module, x: Any, before: Any, answers: Any, bits: int, readout: str) -> str:
    options = ConvertOptions(
        input_shape=(1, 8, 8),
        steps=None if not isinstance(net, nn.Sequential) else STEPS,
        input_range=(0, 16),
        input_scale=1 / 16,
        bits=bits,
        readout=readout,
    )
    made = quantise(float_net(net, options), options, "digits")
    trace = interpret(made.graph, x)
    expected = activity(net, options, x / 16)
    hidden = next(iter(expected))
    different = trace.values[made.nodes[hidden]] != expected[hidden]
    classes = trace.classes(made.graph)
    return (
        f"{_percent(classes == answers)} | {_percent(different, 3)} | "
        f"{_percent(classes != before)} |"
    )


def watch_rows(sdist: Path, epochs: int, count: int) -> Iterator[str]:
    """Yield a row for each number of bits, on windows of people that were not trained with."""
    data = watch.load(sdist)
    net = watch.train(data, epochs)
    x, labels = data["test"].x[:count], data["test"].labels[:count]
    before = watch.classes(net, x)
    yield "| snnTorch | bits | graph | lif1 spikes that differ | lif2 | answers that differ |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for bits in BITS:
        options = ConvertOptions(
            input_shape=x.shape[2:],
            steps=watch.STEPS,
            input_range=(-watch.LEVELS, watch.LEVELS),
            input_scale=watch.UNIT,
            bits=bits,
        )
        made = quantise(float_net(net, options), options, "watch")
        trace, spikes = interpret(made.graph, x), activity(net, options, x * watch.UNIT)
        differ = [
            _percent(trace.values[made.nodes[name]] != spikes[name], 3) for name in ("lif1", "lif2")
        ]
        found = trace.classes(made.graph)
        yield (
            f"| {_percent(before == labels)} | {bits} | {_percent(found == labels)} | "
            f"{differ[0]} | {differ[1]} | {_percent(found != before)} |"
        )


class SNN2(nn.Module):
    """NeuroBench's net for reaching movements of a primate, as its repository builds it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(96, 50, bias=False)
        self.fc_out = nn.Linear(50, 2, bias=False)
        self.lif1 = snntorch.Leaky(beta=0.96, reset_mechanism="zero")
        self.lif_out = snntorch.Leaky(beta=0.96, reset_mechanism="none")

    def forward(self, x: Any) -> Any:
        """Return the potentials, ``(steps, samples, 2)``, of ``(steps, samples, 96)``."""
        mem1, mem2 = self.lif1.reset_mem(), self.lif_out.reset_mem()
        potentials = []
        for step in x:
            spikes, mem1 = self.lif1(self.fc1(step), mem1)
            _, mem2 = self.lif_out(self.fc_out(spikes), mem2)
            potentials.append(mem2)
        return torch.stack(potentials)


def neurobench_rows(file: Path, samples: int, steps: int) -> Iterator[str]:
    """Yield a row for each number of bits."""
    model = SNN2()
    saved = torch.load(file, weights_only=True, map_location="cpu")
    model.load_state_dict(saved["model_state_dict"])
    x = np.random.default_rng(0).poisson(0.1, (samples, steps, 96)).clip(0, 3)
    with torch.no_grad():
        expected = model(torch.tensor(x, dtype=torch.float32).transpose(0, 1))[-1].numpy()
    yield "| bits | hidden neuron-steps | spikes | differ | correlation of the two answers |"
    yield "|---:|---:|---:|---:|---:|"
    for bits in BITS:
        options = ConvertOptions(
            input_shape=(96,), steps=steps, input_range=(0, 3), input_scale=1.0, bits=bits
        )
        made = quantise(float_net(model, options), options, "snn2")
        trace = interpret(made.graph, x)
        spikes = activity(model, options, x)["lif1"]
        different = int((trace.values[made.nodes["lif1"]] != spikes).sum())
        found = logits(made.graph, trace.accumulators(made.graph))
        alike = [np.corrcoef(found[:, axis], expected[:, axis])[0, 1] for axis in range(2)]
        yield (
            f"| {bits} | {spikes.size:,} | {int(spikes.sum()):,} | {different:,} | "
            f"{alike[0]:.4f}, {alike[1]:.4f} |"
        )


def _percent(share: Any, digits: int = 1) -> str:
    return f"{100 * float(np.mean(share)):.{digits}f} %"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and write them if told where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="compute what results.md holds")
    parser.add_argument("--snn2", type=Path, help="NeuroBench's SNN2_indy.pt")
    parser.add_argument("--watch", type=Path, help="seglearn-1.2.5.tar.gz")
    parser.add_argument("--out", type=Path, help="file to write the tables to")
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    lines = ["## Dyadic parameters", "", *exact_rows(200 if given.full else 10)]
    lines += ["", "## Trained on digits", ""]
    lines += trained_rows(15 if given.full else 1, TEST if given.full else 40)
    if given.watch:
        lines += ["", "## Movements with a smartwatch", ""]
        lines += watch_rows(given.watch, 15 if given.full else 1, 10_000 if given.full else 40)
    if given.snn2:
        lines += ["", "## NeuroBench SNN2", ""]
        lines += neurobench_rows(given.snn2, 50 if given.full else 4, 200 if given.full else 20)
    text = "\n".join(lines) + "\n"
    print(text)
    print(f"{time.perf_counter() - start:.0f} s")
    if given.out:
        write_atomically(given.out, text.encode())


if __name__ == "__main__":
    main()
