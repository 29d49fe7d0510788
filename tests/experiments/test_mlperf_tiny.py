"""MLPerf Tiny's public files, where they are found: exact on every target, and quick on two."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import edgespike
from edgespike.graph import Graph, Threshold
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret
from edgespike.targets.shared.lines import fit_line
from edgespike.trace import Trace
from tests.available import available, run_on
from tests.converters.tflite.files import ROUNDINGS, public
from tests.experiments.running import run_experiment

FILES = ("resnet8_cifar10_int8", "kws_int8", "ad01_int8", "hello_world_int8")
TARGETS = ("cpu", "tflite", "tflite-reference", "onnx")


@cache
def graph_of(name: str, rounding: str = "tflm") -> Graph:
    return edgespike.convert(public(f"{name}.tflite"), rounding=rounding)


def samples_of(name: str) -> Integers:
    op = graph_of(name).input_op
    return np.random.default_rng(0).integers(op.low, op.high + 1, (4, *op.shape))


@cache
def expected(name: str) -> Trace:
    return interpret(graph_of(name), samples_of(name))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FILES)
def test_every_layer_is_that_of_the_definition(name: str, target: str) -> None:
    graph = graph_of(name)
    available(target)
    found = run_on(target, graph, samples_of(name))
    for layer, values in expected(name).values.items():
        np.testing.assert_array_equal(found.values[layer], values, err_msg=layer)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", FILES)
def test_all_levels_are_on_a_line_or_near_one(name: str, rounding: str) -> None:
    graph = graph_of(name, rounding)
    for node, op in graph.of_type(Threshold):
        assert fit_line(op, graph.tensors[node.inputs[0]]) is not None, node.name


@pytest.mark.torch
def test_a_folder_without_files_is_refused(tmp_path: object) -> None:
    pytest.importorskip("torch")
    result = run_experiment("mlperf_tiny", str(tmp_path))
    assert result.returncode == 2
    assert "holds no .tflite file" in result.stderr
