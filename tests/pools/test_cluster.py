"""Workers of a Dask cluster: separate processes, over TCP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.errors import EnvironmentMissingError
from edgespike.graph import save_graph
from edgespike.pools.base import INTERNAL, LOST, STARTED, WORKER_DIED, ignore_notes, value_of
from edgespike.pools.choosing import pool_of
from edgespike.pools.cluster import ClusterError
from tests.example_graphs import residual_graph, samples_for
from tests.pools import jobs
from tests.pools.cluster import RunningCluster, running_cluster

pytest.importorskip("distributed", reason="a cluster needs the extra 'cluster' (dask.distributed)")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path_factory.mktemp("dask"), 2) as found:
        yield found


def test_each_job_ends_once_and_notes_are_heard(cluster: RunningCluster) -> None:
    heard: list[tuple[int, Any]] = []
    with pool_of(cluster=cluster.address) as pool:
        outcomes = list(pool.run(jobs.square, [(n,) for n in range(5)], lambda *n: heard.append(n)))
    assert sorted((each.job, value_of(each)) for each in outcomes) == [(n, n * n) for n in range(5)]
    assert sum(note == STARTED for _, note in heard) == 5
    assert all({"half": job / 2} == note for job, note in heard if note != STARTED)


def test_errors_travel_as_text(cluster: RunningCluster) -> None:
    with pool_of(cluster=cluster.address) as pool:
        found = {
            e.job: e.failure for e in pool.run(jobs.fail, [("expected",), ("",)], ignore_notes)
        }
    assert found[0] is not None
    assert found[1] is not None
    assert (found[0].kind, found[0].message) == ("InputError", "the samples are missing")
    assert found[1].kind == INTERNAL


def test_the_job_of_a_killed_worker_is_done_again(tmp_path: Path) -> None:
    heard: list[tuple[int, Any]] = []
    with running_cluster(tmp_path, 2) as cluster, pool_of(cluster=cluster.address) as pool:
        work = [(n, tmp_path) for n in range(6)]
        outcomes = list(pool.run(jobs.die_once, work, lambda *note: heard.append(note)))
    assert sorted(map(value_of, outcomes)) == list(range(6))
    assert [note for job, note in heard if job == 3] == [STARTED, LOST, STARTED]


def test_a_job_that_kills_its_workers_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgespike.pools.cluster.SECONDS_TO_CONNECT", 90)
    with running_cluster(tmp_path, 5) as cluster, pool_of(cluster=cluster.address) as pool:
        found = {each.job: each for each in pool.run(jobs.die, [(0,), (1,), (2,)], ignore_notes)}
    assert [found[job].value for job in (0, 2)] == [0, 2]
    assert found[1].failure is not None
    assert found[1].failure.kind == WORKER_DIED


def test_a_lost_scheduler_is_an_error(tmp_path: Path) -> None:
    def hear(job: int, note: Any) -> None:
        if isinstance(note, int):
            own.scheduler.send_signal(signal.SIGKILL)

    with (
        running_cluster(tmp_path, 1) as own,
        pytest.raises(ClusterError, match=rf"{own.address} is lost; start it again"),
        pool_of(cluster=own.address) as pool,
    ):
        list(pool.run(jobs.wait, [()], hear))


def test_an_address_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgespike.pools.cluster.SECONDS_TO_CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://here"):
        said = f"cluster {address} does not answer within"
        with pytest.raises(ClusterError, match=said), pool_of(cluster=address):
            pass


def test_a_cluster_without_workers_or_with_threads_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_cluster(tmp_path, 0) as cluster:
        monkeypatch.setattr("edgespike.pools.cluster.SECONDS_TO_CONNECT", 2)
        with pytest.raises(ClusterError, match="has no workers"), pool_of(cluster=cluster.address):
            pass
        monkeypatch.setattr("edgespike.pools.cluster.SECONDS_TO_CONNECT", 60)
        cluster.add_worker(threads=3)
        with (
            pytest.raises(ClusterError, match="has 3 threads; start it with --nthreads 1"),
            pool_of(cluster=cluster.address),
        ):
            pass


def test_a_worker_with_another_version_is_refused(
    cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgespike.pools.cluster.__version__", "9.9")
    with (
        pytest.raises(ClusterError, match=rf"has edgespike {edgespike.__version__}, here is 9\.9"),
        pool_of(cluster=cluster.address),
    ):
        pass


def test_counts_on_a_cluster_are_those_of_one_run(cluster: RunningCluster) -> None:
    graph = residual_graph()
    samples = samples_for(graph, 11)
    alone = edgespike.count(graph, samples)
    assert edgespike.count(graph, samples, cluster=cluster.address).to_json() == alone.to_json()


def test_energy_takes_the_address(cluster: RunningCluster, tmp_path: Path) -> None:
    graph = residual_graph()
    save_graph(graph, tmp_path / "g.safetensors")
    np.save(tmp_path / "x.npy", samples_for(graph, 5).astype(np.uint8))
    command = [
        sys.executable,
        "-m",
        "edgespike",
        "energy",
        "g.safetensors",
        "-i",
        "x.npy",
        "--json",
    ]
    answers = [
        subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, check=True).stdout
        for more in ([], ["--cluster", cluster.address])
    ]
    assert answers[0] == answers[1]


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EnvironmentMissingError, match="cluster"), pool_of(cluster="tcp://x:1"):
        pass


def test_workers_are_separate_processes(cluster: RunningCluster) -> None:
    assert len({os.getpid(), *(each.pid for each in cluster.workers)}) == 3
