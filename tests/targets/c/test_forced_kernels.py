"""A layer's kernel can be chosen among those that are exact, and none of them changes a value."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.errors import UnsupportedError
from edgespike.interpreter import interpret
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.targets.c.layers import Kernel, kernels_of
from edgespike.targets.c.layout import make_layout
from edgespike.targets.c.run import prepare_written
from edgespike.targets.c.source import write_c
from tests.available import available

PLACES = range(5)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", MODELS)
def test_every_exact_kernel_computes_the_same(name: str, place: int) -> None:
    available("c")
    graph = shipped_model(name)
    layers = make_layout(graph).layers
    exact = {layer: kernels_of(graph, window) for layer, window in layers.items()}
    forced = {layer: kernels[place] for layer, kernels in exact.items() if place < len(kernels)}
    if not forced:
        pytest.skip(f"no layer of {name} has so many kernels")
    samples = shipped_images(name)[0][:5]
    written = write_c(graph, "network", forced)
    found = prepare_written(graph, written).trace(samples)
    for node, expected in interpret(graph, samples).values.items():
        assert np.array_equal(found.values[node], expected), node
    assert written.layout.kernels.items() >= forced.items()


def test_the_fastest_exact_kernel_is_the_first() -> None:
    graph = shipped_model("fashion_s3nn")
    layout = make_layout(graph)
    assert layout.kernels == {
        name: kernels_of(graph, layer)[0] for name, layer in layout.layers.items()
    }
    assert layout.kernels["conv2"] is Kernel.EVENTS


def test_what_cannot_be_forced_is_named_at_once() -> None:
    graph = shipped_model("fashion_rnn")
    with pytest.raises(UnsupportedError) as error:
        make_layout(graph, {"dense9": Kernel.ROWS, "dense3": Kernel.PAIRS})
    assert "dense9 is no layer" in str(error.value)
    assert "dense3: PAIRS is not exact; these are: EIGHTS, ROWS" in str(error.value)
