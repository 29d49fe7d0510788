"""Untested versions of LiteRT must prove themselves, and its greeting stays out of sight."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Membrane, Threshold
from edgespike.interpreter import interpret
from edgespike.targets import prepare
from edgespike.targets.cpu import CpuRunner, litert_engine
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.running import execute, trust
from edgespike.targets.tflite.running.ties import (
    currents,
    membranes,
    signed_levels,
    spikes_and_levels,
)
from tests.targets.tflite.networks import NETWORKS, samples_of

pytest.importorskip("ai_edge_litert")

UNTESTED = "99.1.0"

CHECKS = {
    "spikes-and-levels": spikes_and_levels,
    "signed-levels": signed_levels,
    "membranes": membranes,
    "currents": currents,
}


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the installed version be one that was not tested, of which nothing is known yet."""
    caches = (trust._fault, trust._load_quietly, litert_engine._warn)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(trust, "installed_version", lambda: UNTESTED)
    yield
    for cached in caches:
        cached.cache_clear()


def expect_otherwise(monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    """Let one value that the check expects of a graph be another."""

    check = CHECKS[of]()
    name = check.graph.readout.name
    changed = check.expected[name].copy()
    changed[3, 0, 1] += 1
    wrong = replace(check, expected={**check.expected, name: changed})
    monkeypatch.setattr(trust, of.replace("-", "_"), lambda: wrong)


@pytest.mark.usefixtures("untested")
@pytest.mark.parametrize("kernels", [execute.DEFAULT_KERNELS, execute.REFERENCE_KERNELS])
def test_an_untested_version_that_is_exact_is_used(kernels: str) -> None:
    assert trust.litert_fault(kernels) == ""
    graph = NETWORKS["two levels"]()
    assert "ai-edge-litert" in CpuRunner(graph, native=False).runtime
    assert np.array_equal(
        prepare(graph, "tflite").trace(samples_of(graph)).values["readout"],
        interpret(graph, samples_of(graph)).values["readout"],
    )


@pytest.mark.usefixtures("untested")
@pytest.mark.parametrize("of", CHECKS)
def test_an_untested_version_that_is_not_exact_is_left_to_numpy_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, of: str, recwarn: pytest.WarningsRecorder
) -> None:
    expect_otherwise(monkeypatch, of)
    graph = NETWORKS["two levels"]()
    with pytest.warns(RuntimeWarning, match=rf"runs on numpy: ai-edge-litert {UNTESTED}.*{of}"):
        runner = CpuRunner(graph, native=False)
    assert "litert" not in runner.runtime
    assert np.array_equal(
        runner.answers(samples_of(graph)), interpret(graph, samples_of(graph)).accumulators(graph)
    )
    CpuRunner(graph, native=False)  # a second warning would be an error


@pytest.mark.usefixtures("untested")
@pytest.mark.parametrize("name", ["tflite", "tflite-reference"])
def test_the_tflite_runtimes_refuse_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expect_otherwise(monkeypatch, "membranes")
    with pytest.raises(EnvironmentMissingError) as caught:
        prepare(NETWORKS["two levels"](), name)
    message = str(caught.value)
    for part in (UNTESTED, "membranes (readout4 differs)", f"tested versions: {trust.TESTED[0]}"):
        assert part in message
    assert f"pip install ai-edge-litert=={trust.TESTED[-1]}" in message


@pytest.mark.usefixtures("untested")
def test_kernels_that_fail_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: bytes, kernels: str) -> Any:
        raise RuntimeError("op not supported\nand more")

    trust._load_quietly.cache_clear()
    monkeypatch.setattr(execute, "make_interpreter", fail)
    assert "(op not supported), so" in trust.litert_fault(execute.DEFAULT_KERNELS)


def test_a_tested_version_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    trust._fault.cache_clear()
    monkeypatch.setattr(trust, "installed_version", lambda: trust.TESTED[0])
    expect_otherwise(monkeypatch, "membranes")
    assert trust.litert_fault(execute.DEFAULT_KERNELS) == ""


def test_the_checks_meet_their_thresholds_in_every_kind_of_number() -> None:
    for check in (spikes_and_levels(), signed_levels()):
        graph, samples = check.graph, check.samples
        trace = interpret(graph, samples, keep=[node.name for node in graph.nodes])
        for node, op in graph.of_type(Threshold):
            accumulators = np.moveaxis(trace.values[node.inputs[0]], 2, -1)[..., None]
            assert (accumulators == op.theta).sum() > 10, node.name
            assert (accumulators == op.theta - 1).sum() > 10, node.name
        assert set(make_plan(graph).forms.values()) == {Form.INT8, Form.INT16}
    for check in (membranes(), currents()):
        cells, neurons = next(check.graph.of_type(Membrane))
        assert 0.2 < check.expected[cells.name].mean() < max(neurons.max_spikes - 1, 0.8)
        assert make_plan(check.graph).forms[cells.name] is Form.FLOAT


QUIET = """
import os
from edgespike.models import shipped_images, shipped_model
from edgespike.targets import prepare
from edgespike.targets.cpu import CpuRunner
runner = {runner}
images, _ = shipped_images()
runner.tally(images[:2])
os.write(2, b"an error\\n")
"""


ON_LITERT = {
    "cpu": "CpuRunner(shipped_model(), native=False)",
    "tflite": "prepare(shipped_model(), 'tflite')",
}


@pytest.mark.parametrize("name", ON_LITERT)
def test_only_errors_are_written_beside_a_progress_line(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET.format(runner=ON_LITERT[name])],
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"an error\n")


def test_what_else_is_written_meanwhile_comes_later(capfd: pytest.CaptureFixture[str]) -> None:
    with trust._without_noise():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: no\nafter\n"


def test_a_closed_descriptor_is_left_alone() -> None:
    code = "import os; os.close(2)\n" + QUIET.format(runner=ON_LITERT["cpu"]).replace(
        "os.write", "print"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"2 b'an error\\n'\n"
