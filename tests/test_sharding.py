"""Counts, answers and energies are the same integers however the samples are shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike import sharding
from edgespike.batches import tally_all
from edgespike.errors import InputError
from edgespike.graph import Graph, save_graph
from edgespike.pools.base import Failure, Hear, JobFunction, Outcome, WorkerFailedError, attempt
from edgespike.prepared import prepared
from edgespike.targets import UnknownTargetError
from tests.cli.conftest import Cli
from tests.cli.conftest import cli as cli
from tests.cli.conftest import plugin as plugin
from tests.example_graphs import residual_graph, samples_for


class Here:
    """A pool in this process that gives the outcomes in another order than the jobs."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.sizes: list[int] = []

    def workers(self) -> int:
        return self._workers

    def run(self, function: JobFunction, jobs: Any, hear: Hear) -> Any:
        self.sizes = [len(samples) for _, _, samples in jobs]
        for job in reversed(range(len(jobs))):
            yield Outcome(job, *attempt(function, lambda note: None, jobs[job]))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return residual_graph()


@pytest.mark.parametrize("workers", [1, 2, 5, 100])
@pytest.mark.parametrize("largest", [1, 300, 2**23])
@pytest.mark.parametrize("target", ["cpu", "tflite"])
def test_any_sharding_gives_the_same_tally(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, workers: int, largest: int, target: str
) -> None:
    monkeypatch.setattr(sharding, "SHARD_BYTES", largest)
    samples = samples_for(graph, 23)
    expected = tally_all(prepared(graph, target).runner, samples, target)
    pool = Here(workers)
    reports: list[tuple[str, int, int]] = []
    found = sharding.tally_on(pool, graph, target, samples, lambda *told: reports.append(told))
    assert sum(pool.sizes) == 23
    assert (found.accumulators == expected.accumulators).all()
    assert found.events.keys() == expected.events.keys()
    assert all((found.events[name] == expected.events[name]).all() for name in expected.events)
    assert reports[0] == (target, 0, 23)
    assert reports[-1] == (target, 23, 23)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_processes_count_what_one_run_does(graph: Graph, workers: int) -> None:
    samples = samples_for(graph, 23)
    alone = edgespike.count(graph, samples)
    assert edgespike.count(graph, samples, workers=workers).to_json() == alone.to_json()
    labels = np.zeros(23, np.int64)
    reports = [
        edgespike.estimate_energy(graph, samples, labels=labels, workers=number).to_json()
        for number in (None, workers)
    ]
    assert reports[0] == reports[1]


@pytest.mark.slow
def test_the_command_gives_the_same_answer(cli: Cli, graph: Graph, tmp_path: Path) -> None:
    save_graph(graph, tmp_path / "g.safetensors")
    np.save(tmp_path / "x.npy", samples_for(graph, 9).astype(np.uint8))
    np.save(tmp_path / "y.npy", np.zeros(9, np.int64))
    files = (tmp_path / "g.safetensors", "-i", tmp_path / "x.npy", "--labels", tmp_path / "y.npy")
    command = ("energy", *files, "--audit", 2, "--json")
    assert cli(*command, "--workers", 2).stdout == cli(*command).stdout


def test_what_is_wrong_is_told_before_workers_start(graph: Graph) -> None:
    samples = samples_for(graph, 3)
    with pytest.raises(InputError):
        edgespike.count(graph, samples[..., :5], workers=2)
    with pytest.raises(UnknownTargetError):
        edgespike.count(graph, samples, "nonesuch", workers=2)
    with pytest.raises(InputError, match="give one of the two"):
        edgespike.count(graph, samples, workers=2, cluster="tcp://127.0.0.1:9")


def test_a_shard_that_fails_is_an_error(graph: Graph) -> None:
    class Failing(Here):
        def run(self, function: JobFunction, jobs: Any, hear: Hear) -> Any:
            yield Outcome(0, failure=Failure("WorkerDiedError", "3 workers ended in it"))

    with pytest.raises(WorkerFailedError, match="3 workers ended in it"):
        sharding.tally_on(Failing(1), graph, "cpu", samples_for(graph, 3))
