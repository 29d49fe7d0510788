"""The shipped model: small, accurate, and the same on every target, in every layer."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import edgespike
from edgespike.counting import Convention, audit, count
from edgespike.data.fashion_mnist import load as load_fashion_mnist
from edgespike.data.sequences import as_sequences
from edgespike.errors import EnvironmentMissingError
from edgespike.interpreter import interpret
from edgespike.models import MODELS, file_name, shipped_images, shipped_model
from edgespike.targets import get_target
from edgespike.trace import predictions

ACCURACY = {"fashion_s3nn": 0.925, "fashion_maqd": 0.925, "fashion_rnn": 0.88}
"""At least this part of the whole test set is classified right."""

SIZE = {"fashion_s3nn": 700_000, "fashion_maqd": 250_000, "fashion_rnn": 20_000}
"""Bytes that a model's file stays below."""

pytestmark = pytest.mark.parametrize("name", MODELS)


def need(target: str) -> None:
    try:
        get_target(target).runtime()
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))


def test_it_is_well_under_a_megabyte(name: str) -> None:
    with resources.as_file(resources.files("edgespike.models") / file_name(name)) as path:
        assert path.stat().st_size < SIZE[name]


@pytest.mark.parametrize(
    "target",
    [
        "cpu",
        "tflite",
        "tflite-reference",
        pytest.param("tflite-runtime", marks=pytest.mark.tflite_runtime),
        pytest.param("loihi", marks=[pytest.mark.loihi, pytest.mark.slow]),
    ],
)
def test_every_layer_of_100_images_is_equal(name: str, target: str) -> None:
    need(target)
    graph = shipped_model(name)
    images, _ = shipped_images(name)
    certificate = edgespike.verify(graph, images[:100], [target])
    assert certificate.targets[target].first_difference is None
    assert certificate.targets[target].layers == len(interpret(graph, images[:1]).values)


@pytest.mark.slow
def test_counts_equal_a_walk_of_every_event(name: str) -> None:
    graph = shipped_model(name)
    images = shipped_images(name)[0][:5]
    trace = interpret(graph, images)
    counted, walked = count(graph, images, trace).total, audit(graph, images, trace)
    for convention in Convention:
        assert (
            int(counted.synaptic_operations[convention].sum())
            == (walked.synaptic_operations[convention])
        )
        assert (
            int(counted.multiply_accumulates[convention].sum())
            == (walked.multiply_accumulates[convention])
        )


@pytest.mark.slow
def test_accuracy_and_predictions_on_the_whole_test_set(name: str) -> None:
    try:
        images, labels = load_fashion_mnist("test")
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))
    graph = shipped_model(name)
    images = as_sequences(images, graph.steps) if graph.is_recurrent else images
    found = {}
    for target in ("cpu", "tflite"):
        classes = [
            predictions(graph, edgespike.run(graph, part, target).accumulators(graph))
            for part in np.array_split(images, 10)
        ]
        found[target] = np.concatenate(classes)
    assert (found["cpu"] == found["tflite"]).all()
    assert (found["cpu"] == labels).mean() >= ACCURACY[name]


@pytest.mark.torch
def test_the_checkpoint_of_the_examples_is_the_shipped_model(name: str) -> None:
    pytest.importorskip("torch")
    checkpoint = Path(__file__).parent.parent / "examples" / f"{name}.checkpoint.safetensors"
    assert edgespike.load(checkpoint).hash == shipped_model(name).hash
