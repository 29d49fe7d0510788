"""MLPerf Tiny's files and TFLite Micro's: every layer equals the file on its runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.converters.tflite import agreement
from tests.converters.tflite.files import PUBLIC, ROUNDINGS, differences, equal, public

FILES = {
    "ad01_int8.tflite": (640,),
    "hello_world_int8.tflite": (1,),
    "kws_int8.tflite": (1, 49, 10),
    "resnet8_cifar10_int8.tflite": (3, 32, 32),
}


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", FILES)
def test_every_layer_equals_the_file(name: str, rounding: str) -> None:
    found = conversion(public(name), ConvertOptions(rounding=rounding))
    assert found.graph.input_op.shape == FILES[name]
    equal(found, 8)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", FILES)
def test_every_layer_equals_the_file_on_100_inputs(name: str, rounding: str) -> None:
    equal(conversion(public(name), ConvertOptions(rounding=rounding)), 100, seed=1)


def test_every_public_file_is_here() -> None:
    if not PUBLIC.exists():
        pytest.skip(f"{PUBLIC} is not here")
    assert sorted(path.name for path in PUBLIC.glob("*.tflite")) == sorted(FILES)


def test_runtimes_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """What XNNPACK computes is not what the graph of another rounding does: the check sees it."""
    found = conversion(public("resnet8_cifar10_int8.tflite"), ConvertOptions(rounding="tflm"))
    monkeypatch.setattr(agreement, "runtime_of", lambda *_: ("litert-xnnpack", "another"))
    assert max(differences(found, 2).values()) > 0


def test_nothing_but_the_content_counts(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(public("hello_world_int8.tflite").read_bytes())
    assert conversion(path, ConvertOptions()).converter == "tflite"
