"""The shipped model: small, accurate, and the same on every target, in every layer."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edgespike
from edgespike.counting import Convention, audit, count
from edgespike.data.fashion_mnist import load as load_fashion_mnist
from edgespike.data.sequences import as_sequences
from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph
from edgespike.graph.size import graph_size
from edgespike.interpreter import interpret
from edgespike.models import MODELS, file_name, shipped_images, shipped_model
from edgespike.trace import predictions
from edgespike.verification import Certificate
from tests.available import available, is_installed

RIGHT = {"fashion_s3nn": 9365, "fashion_maqd": 9359, "fashion_rnn": 8847}
"""How many of the 10,000 test images are classified right: whole numbers, the same everywhere."""

FILE_BYTES = {"fashion_s3nn": 547_486, "fashion_maqd": 116_286, "fashion_rnn": 15_484}

ON_LAVA = {"fashion_s3nn": 1000, "fashion_maqd": 1000, "fashion_rnn": 100}
"""Test images that Lava classifies; a step takes it hundredths of a second."""

pytestmark = pytest.mark.parametrize("name", MODELS)


def test_its_file_is_as_small_as_it_says(name: str) -> None:
    with resources.as_file(resources.files("edgespike.models") / file_name(name)) as path:
        assert path.stat().st_size == FILE_BYTES[name] == graph_size(shipped_model(name)).file_bytes


EVERYWHERE = ("cpu", "tflite", "tflite-reference", "tflite-runtime", "onnx")


@cache
def certificate(name: str) -> Certificate:
    """Verify the first 100 images on all of these runtimes that are installed."""
    installed = [target for target in EVERYWHERE if is_installed(target)]
    return edgespike.verify(shipped_model(name), shipped_images(name)[0][:100], installed)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(target, marks=[pytest.mark.tflite_runtime] * (target == "tflite-runtime"))
        for target in EVERYWHERE
    ],
)
def test_every_layer_of_100_images_is_equal(name: str, target: str) -> None:
    available(target)
    result = certificate(name).targets[target]
    assert result.first_difference is None
    images, _ = shipped_images(name)
    assert result.samples == len(images[:100]) == 100
    assert result.layers == len(interpret(shipped_model(name), images[:1]).values)


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


def whole_test_set(graph: Graph) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        images, labels = load_fashion_mnist("test")
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))
    return as_sequences(images, graph.steps) if graph.is_recurrent else images, labels


def classify(graph: Graph, images: NDArray[np.uint8], target: str) -> NDArray[np.int64]:
    """Run a thousand images at a time, whose values fit into memory."""
    parts = [images[start : start + 1000] for start in range(0, len(images), 1000)]
    traces = (edgespike.run(graph, part, target) for part in parts)
    return np.concatenate([predictions(graph, trace.accumulators(graph)) for trace in traces])


@pytest.mark.slow
def test_accuracy_and_predictions_on_the_whole_test_set(name: str) -> None:
    graph = shipped_model(name)
    images, labels = whole_test_set(graph)
    classes = classify(graph, images, "cpu")
    assert (classes == labels).sum() == RIGHT[name]
    np.testing.assert_array_equal(classify(graph, images, "tflite"), classes)


@pytest.mark.slow
@pytest.mark.loihi
def test_lava_gives_every_layer_of_100_images_and_names_the_same_classes(name: str) -> None:
    """One run shows both: most of Lava's time goes into its steps, whatever is looked at."""
    available("loihi")
    graph = shipped_model(name)
    images = shipped_images(name)[0][:100]
    with suppress(pytest.skip.Exception):  # without the data set, as many as are shipped
        images = whole_test_set(graph)[0][: ON_LAVA[name]]
    found = edgespike.run(graph, images, "loihi")
    expected = interpret(graph, images[:100])
    assert found.values.keys() == expected.values.keys()
    for layer, values in expected.values.items():
        np.testing.assert_array_equal(found.values[layer][:100], values, err_msg=layer)
    classes = predictions(graph, found.accumulators(graph))
    np.testing.assert_array_equal(classes, classify(graph, images, "cpu"))


@pytest.mark.slow
@pytest.mark.loihi
def test_lava_gets_a_certificate(name: str) -> None:
    available("loihi")
    graph, images = shipped_model(name), shipped_images(name)[0][:5]
    result = edgespike.verify(graph, images, ["loihi"]).targets["loihi"]
    assert result.first_difference is None
    assert (result.samples, result.layers) == (5, len(interpret(graph, images[:1]).values))


@pytest.mark.torch
def test_the_checkpoint_of_the_examples_is_the_shipped_model(name: str) -> None:
    pytest.importorskip("torch")
    checkpoint = Path(__file__).parent.parent / "examples" / "checkpoints" / f"{name}.safetensors"
    assert edgespike.load(checkpoint).hash == shipped_model(name).hash
