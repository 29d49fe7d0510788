"""The report of a spiking net, against counts that are made another way."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.floats.run import run_steps
from edgespike.graph import Graph, Input, Node
from edgespike.interpreter import interpret
from edgespike.quantise.inputs import as_integers
from edgespike.quantise.spikes import report
from edgespike.quantise.spikes.quantising import quantise_spikes
from edgespike.quantise.spikes.report import spike_loss
from tests.quantise.spikes.clothes import CALIBRATION, HIDDEN, STEPS, TEST, clothes_net, images
from tests.quantise.spikes.nets import differences

FOUND = quantise_spikes(clothes_net(), ConvertOptions(calibrate=images()[0][CALIBRATION]), "net")
REAL = images()[0][TEST]
WHOLE = as_integers(REAL, FOUND.graph)
LOSS = spike_loss(FOUND.net, FOUND.graph, REAL, WHOLE)


def float_spikes(name: str) -> np.ndarray:
    """Return what neurons of the float net emit, ``(samples, steps, neurons)``."""
    steps = [values[name] for values in run_steps(FOUND.net, REAL)]
    return np.stack(steps, axis=1).astype(np.int64)


def test_different_spikes_are_counted_step_by_step() -> None:
    trace = interpret(FOUND.graph, WHOLE)
    for name, count in LOSS.counts.items():
        got, wanted = trace.values[name], float_spikes(name)
        assert count.values == got.size
        assert count.different == (got != wanted).sum()
        assert count.active == (got > 0).sum()


def test_a_layers_own_share_is_that_of_a_graph_of_this_layer_alone() -> None:
    first = Node("input", Input((HIDDEN,), 0, 1, 1.0))
    names = [node.name for node in FOUND.graph.nodes]
    rest = list(FOUND.graph.nodes[names.index("fc2") :])
    rest[0] = Node("fc2", rest[0].op, ("input",))
    alone = interpret(Graph("alone", (first, *rest), STEPS), float_spikes("lif1"))
    wrong = (alone.values["lif2"] != float_spikes("lif2")).sum()
    assert LOSS.counts["lif2"].alone == wrong
    assert LOSS.counts["lif1"].alone == LOSS.counts["lif1"].different


def test_layers_are_compared_on_the_first_samples_and_answers_on_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "LAYER_SAMPLES", 64)
    loss = spike_loss(FOUND.net, FOUND.graph, REAL, WHOLE)
    assert len(loss.before) == len(loss.after) == len(REAL)
    assert loss.counts["lif1"].values == 64 * STEPS * HIDDEN


def test_without_samples_nothing_is_compared() -> None:
    found = quantise_spikes(clothes_net(), ConvertOptions(), "net")
    assert not found.layers
    assert found.worst is None
    assert FOUND.worst is not None
    assert FOUND.worst.path in ("net.lif1", "net.lif2")
    assert sum(differences(found, np.zeros((1, REAL.shape[1]), np.int64)).values()) == 0
