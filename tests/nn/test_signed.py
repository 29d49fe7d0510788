"""Nets on signed bytes: the graph takes -127..127, and every target computes it exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import edgespike
from edgespike.counting import Convention
from edgespike.errors import InputError
from edgespike.nn import InputScale, RecurrentSpec, Task, build, train
from edgespike.nn.nets.spec import AnySpec, read_spec
from tests.nn.small import NET, RECIPE, striped_task

SEQUENCES = RecurrentSpec((6, 3), 4, hidden=8, activation="levels", signed=True)
GATED = replace(SEQUENCES, cell="gru", activation_states=15)
LEVELS = replace(NET, activation="levels", signed=True)
SPIKES = replace(NET, signed=True)


def samples_of(net: AnySpec) -> np.ndarray[Any, np.dtype[np.int8]]:
    drawn = np.random.default_rng(0).integers(-127, 128, (12, *net.input_shape))
    drawn[:2] = 0
    drawn[2], drawn[3] = -127, 127
    return drawn.astype(np.int8)


def module_of(net: AnySpec) -> torch.nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(net).eval()


@pytest.mark.parametrize("net", [SPIKES, LEVELS, SEQUENCES, GATED])
@pytest.mark.parametrize(
    "target", ["cpu", "tflite", pytest.param("loihi", marks=pytest.mark.loihi)]
)
def test_every_target_computes_a_signed_net_exactly(net: AnySpec, target: str) -> None:
    if target == "tflite":
        pytest.importorskip("ai_edge_litert")
    if target == "loihi" and net is GATED:
        pytest.skip("Loihi's synapses multiply by constants only")
    graph = edgespike.convert(module_of(net), net.input_shape)
    assert (graph.input_op.low, graph.input_op.high) == (-127, 127)
    samples = samples_of(net)[:4] if target == "loihi" else samples_of(net)
    certificate = edgespike.verify(graph, samples, targets=[target])
    assert certificate.equal


@pytest.mark.parametrize("net", [SPIKES, LEVELS, SEQUENCES, GATED])
def test_the_graph_gives_the_classes_of_the_module(net: AnySpec) -> None:
    module, samples = module_of(net), samples_of(net)
    graph = edgespike.convert(module, net.input_shape)
    with torch.inference_mode():
        logits = module(torch.from_numpy(samples)).numpy()
    assert (edgespike.run(graph, samples).classes(graph) == logits.argmax(axis=1)).all()


def test_zero_stays_zero_and_padding_means_zero() -> None:
    scale = InputScale(127, signed=True)
    assert scale(torch.tensor([-127, 0, 127], dtype=torch.int8)).tolist() == [-1, 0, 1]
    assert (scale.minimum, scale.maximum) == (-127, 127)
    graph = edgespike.convert(module_of(SPIKES), SPIKES.input_shape)
    counts = edgespike.count(graph, np.zeros((2, *SPIKES.input_shape), np.int8))
    assert counts.layers[0].multiply_accumulates[Convention.QUANTISED].sum() == 0


@pytest.mark.parametrize("net", [SPIKES, SEQUENCES])
def test_signs_are_written_only_where_there_are_any(net: AnySpec) -> None:
    faults: list[str] = []
    stored = json.loads(json.dumps(net.to_table()))
    assert read_spec(stored, "net", faults) == net
    assert "signed" not in replace(net, signed=False).to_table()
    assert not faults


def test_states_of_the_input_have_no_sign() -> None:
    with pytest.raises(ValueError, match="input_states is 16, 0 is needed with signed input"):
        replace(SEQUENCES, input_states=16)


def signed_task(low: int = -127) -> Task:
    task = striped_task()
    images = np.clip(task.train_images.astype(np.int16) - 128, low, 127).astype(np.int8)
    return replace(task, train_images=images, test_images=images)


def test_a_signed_task_is_trained(tmp_path: Any) -> None:
    recipe = replace(RECIPE, net=replace(SPIKES, layers=NET.layers[:1]), epochs=8)
    result = train(recipe, tmp_path / "run", task=signed_task(), quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.9
    with pytest.raises(InputError, match="images are uint8 of shape"):
        train(recipe, tmp_path / "other", task=striped_task(), quiet=True)
    with pytest.raises(InputError, match="images are int8 of shape"):
        train(RECIPE, tmp_path / "other", task=signed_task(), quiet=True)


def test_a_byte_without_a_counterpart_is_refused(tmp_path: Any) -> None:
    task = signed_task()
    task.test_images[3, 0, 0, 0] = -128
    recipe = replace(RECIPE, net=SPIKES)
    with pytest.raises(InputError, match="images hold -128; signed input is -127 to 127"):
        train(recipe, tmp_path / "run", task=task, quiet=True)
