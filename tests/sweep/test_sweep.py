"""Sweeps from end to end: killed, resumed, refused; every finished point is there once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import edgespike
from edgespike.api import usable_profiles
from edgespike.errors import FileFormatError, InputError
from edgespike.nn import load_draft
from edgespike.pools.base import Failure, Hear, JobFunction, Outcome, attempt
from edgespike.storage.files import WriteError
from edgespike.storage.locks import locked_folder
from edgespike.sweep.grid import read_axis
from edgespike.sweep.point import FIGURES, Counting
from edgespike.sweep.progress import Lines
from edgespike.sweep.run import SweepError, Swept, sweep
from edgespike.verification import Difference
from tests.cli.conftest import Cli
from tests.cli.conftest import cli as cli
from tests.cli.conftest import plugin as plugin
from tests.pools.cluster import running_cluster
from tests.sweep.recipes import rows_of, start_sweep, timeless, write_recipe

pytestmark = [pytest.mark.torch, pytest.mark.slow]
AXES = ("learning_rate=0.01,0.02", "seed=1..2")


class Here:
    """A pool that runs the jobs in this process, and changes what some of them give."""

    def __init__(self, failures: dict[int, Failure] | None = None) -> None:
        self.failures = failures or {}
        self.jobs: list[Any] = []

    def workers(self) -> int:
        return 1

    def run(
        self, function: JobFunction, jobs: Sequence[tuple[Any, ...]], hear: Hear
    ) -> Generator[Outcome]:
        for job, arguments in enumerate(jobs):
            self.jobs.append(arguments)
            hear(job, "started")
            if job in self.failures:
                yield Outcome(job, failure=self.failures[job])
            else:
                yield Outcome(job, *attempt(function, partial(hear, job), arguments))


def swept(
    folder: Path, *texts: str, pool: Any = None, resume: bool = False, verified: int = 10
) -> Swept:
    return sweep(
        load_draft(folder / "small.toml"),
        [read_axis(text) for text in texts],
        folder / "out",
        pool or Here(),
        Counting(verified, usable_profiles()),
        Lines(quiet=True),
        resume=resume,
    )


def test_a_row_holds_what_the_point_s_own_files_say(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    found = swept(tmp_path, *AXES)
    assert found.complete
    rows = rows_of(tmp_path)
    assert list(found.rows) == rows
    assert [(row["learning_rate"], row["seed"]) for row in rows] == [
        (rate, seed) for rate in (0.01, 0.02) for seed in (1, 2)
    ]
    test = load_draft(tmp_path / "small.toml").read()[1]
    assert test is not None
    for row in rows:
        assert set(FIGURES) <= set(row)
        place = tmp_path / "out" / "points" / row["point"]
        graph = edgespike.load(place / "graph.safetensors")
        assert graph.hash == row["graph"] == edgespike.load(place / "model.safetensors").hash
        report = edgespike.estimate_energy(graph, test.test_images, labels=test.test_labels)
        counts = report.counts
        assert row["total_synaptic_operations"] == counts.synaptic_operations()
        assert row["total_multiply_accumulates"] == counts.multiply_accumulates()
        assert row["synaptic_operations"] == counts.synaptic_operations() / counts.samples
        assert row["accuracy"] == report.accuracy
        assert row["samples"] == len(test.test_images)
        assert report.headline is not None
        assert row["energy_j"] == report.headline.energy.typical / counts.samples
        assert (row["verified"], row["verified_samples"]) == (True, 10)
        log = (place / "training.jsonl").read_text().splitlines()
        assert json.loads(log[0])["recipe"]["seed"] == row["seed"]
        saved = json.loads((place / "energy.json").read_text())
        assert saved["counts"] == counts.to_json()
    assert not list((tmp_path / "out" / "running").iterdir())


def test_pandas_reads_the_table(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    write_recipe(tmp_path)
    swept(tmp_path, "seed=1..2")
    table = pandas.read_json(tmp_path / "out" / "results.jsonl", lines=True)
    assert list(table["seed"]) == [1, 2]
    assert table["accuracy"].between(0, 1).all()


def test_finished_points_are_kept_and_others_are_added(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    swept(tmp_path, "seed=1")
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    with pytest.raises(InputError, match="holds a sweep; continue it with --resume"):
        swept(tmp_path, "seed=1..2")
    pool = Here()
    found = swept(tmp_path, "seed=1..2", pool=pool, resume=True)
    assert len(pool.jobs) == 1
    assert [row["seed"] for row in found.rows] == [1, 2]
    assert (tmp_path / "out" / "results.jsonl").read_bytes().startswith(before)
    assert swept(tmp_path, "seed=2", pool=pool, resume=True).rows == found.rows[1:]
    assert len(pool.jobs) == 1


def test_another_recipe_or_other_data_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    swept(tmp_path, "seed=1")
    text = recipe.read_text()
    recipe.write_text(text.replace("features = 8", "features = 9"))
    with pytest.raises(InputError, match=r"is of another recipe, .* \(different: recipe\)"):
        swept(tmp_path, "seed=2", resume=True)
    recipe.write_text(text)
    with np.load(tmp_path / "stripes.npz") as arrays:
        changed = {**arrays, "samples": arrays["samples"] ^ 1}
    np.savez(tmp_path / "stripes.npz", **changed)
    with pytest.raises(InputError, match=r"\(different: data\)"):
        swept(tmp_path, "seed=2", resume=True)
    assert len(rows_of(tmp_path)) == 1


def test_another_energy_model_is_refused(cli: Cli, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    swept(tmp_path, "seed=1")
    words = ("--over", "seed=1", "--resume", "--model", "int8-with-memory")
    refused = cli("sweep", recipe, "-o", tmp_path / "out", *words)
    assert (refused.code, refused.stdout) == (2, "")
    assert "(different: energy)" in refused.stderr


def test_a_point_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    found = swept(tmp_path, "learning_rate=0.01,1e38,0.02")
    assert [row["learning_rate"] for row in found.rows] == [0.01, 0.02]
    ((settings, failure),) = found.failed
    assert settings == {"learning_rate": 1e38}
    assert failure.kind == "TrainingError"
    assert not found.complete
    pool = Here()
    again = swept(tmp_path, "learning_rate=0.01,1e38,0.02", pool=pool, resume=True)
    assert len(pool.jobs) == 1
    assert len(again.failed) == 1


@pytest.mark.parametrize("kind", ["WriteError", "EnvironmentMissingError", "internal error"])
def test_what_all_points_would_meet_stops_the_sweep(tmp_path: Path, kind: str) -> None:
    write_recipe(tmp_path)
    with pytest.raises(SweepError, match=r"stopped at seed=2: .*run again with --resume"):
        swept(tmp_path, "seed=1..3", pool=Here({1: Failure(kind, "the disk is full")}))
    assert [row["seed"] for row in rows_of(tmp_path)] == [1]
    assert [row["seed"] for row in swept(tmp_path, "seed=1..3", resume=True).rows] == [1, 2, 3]
    assert [row["seed"] for row in rows_of(tmp_path)] == [1, 2, 3]


def test_a_full_disk_loses_no_finished_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recipe(tmp_path)
    fsync = os.fsync
    full: list[bool] = []

    def fail(handle: int) -> None:
        if full and "results.jsonl" in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(28, os.strerror(28))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail)

    class Filling(Lines):
        def end(self, *_: object) -> None:
            full.append(True)

    with pytest.raises(WriteError, match="No space left on device"):
        sweep(
            load_draft(tmp_path / "small.toml"),
            [read_axis("seed=1..2")],
            tmp_path / "out",
            Here(),
            Counting(5, usable_profiles()),
            Filling(quiet=True),
        )
    assert [row["seed"] for row in rows_of(tmp_path)] == [1]
    full.clear()
    swept(tmp_path, "seed=1..2", resume=True)
    assert [row["seed"] for row in rows_of(tmp_path)] == [1, 2]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    (tmp_path / "out").mkdir()
    with (
        locked_folder(tmp_path / "out", ".sweep.lock", "sweep", 1),
        pytest.raises(InputError, match="is in use by another sweep"),
    ):
        swept(tmp_path, "seed=1")
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_data_that_is_not_there_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    (tmp_path / "stripes.npz").unlink()
    with pytest.raises(InputError, match=r"stripes\.npz"):
        swept(tmp_path, "seed=1")
    assert not (tmp_path / "out").exists()


def test_a_worker_s_other_data_stops_the_sweep(tmp_path: Path) -> None:
    write_recipe(tmp_path)

    class Elsewhere(Here):
        def run(
            self, function: JobFunction, jobs: Sequence[tuple[Any, ...]], hear: Hear
        ) -> Generator[Outcome]:
            other = [(*job[:2], {**job[2], "sha256": "0"}, *job[3:]) for job in jobs]
            return super().run(function, other, hear)

    with pytest.raises(SweepError, match="give all workers the same data"):
        swept(tmp_path, "seed=1", pool=Elsewhere())


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"verified": None}, "verified of point '[0-9a-f]{16}' is None, not true or false"),
        ({"accuracy": "x"}, "accuracy of point .* is 'x', not a number; remove its line"),
        ({"energy_j": "x"}, "energy_j of point .* is 'x', not a number or null"),
    ],
)
def test_rows_without_their_figures_are_refused(
    tmp_path: Path, figure: dict[str, Any], said: str
) -> None:
    write_recipe(tmp_path, epochs=1)
    swept(tmp_path, "seed=1")
    (row,) = rows_of(tmp_path)
    (tmp_path / "out" / "results.jsonl").write_text(json.dumps({**row, **figure}) + "\n")
    with pytest.raises(FileFormatError, match=said):
        swept(tmp_path, "seed=1", resume=True)


def test_a_finished_point_s_training_is_removed_where_a_killed_sweep_left_it(
    tmp_path: Path,
) -> None:
    write_recipe(tmp_path, epochs=1)
    swept(tmp_path, "seed=1")
    running = tmp_path / "out" / "running"
    for name in (rows_of(tmp_path)[0]["point"], "unfinished"):
        (running / name).mkdir(parents=True)
        (running / name / "checkpoint.safetensors").write_bytes(b"x")
    swept(tmp_path, "seed=1", resume=True)
    assert [place.name for place in running.iterdir()] == ["unfinished"]


def test_a_mixture_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    text = recipe.read_text()
    recipe.write_text(f"weight_decay = 0\n{text}\n[posterior]\nmembers = 2\n")
    with pytest.raises(InputError, match="trains a mixture of nets"):
        swept(tmp_path, "seed=1")


def test_a_graph_that_differs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing differs in truth: the certificate is changed."""
    whole = edgespike.verify

    def differ(*arguments: Any) -> Any:
        certificate = whole(*arguments)
        result = replace(
            certificate.targets["cpu"], first_difference=Difference("readout", 0, 0, 0, 1, 2)
        )
        return replace(certificate, targets={"cpu": result})

    monkeypatch.setattr("edgespike.api.verify", differ)
    write_recipe(tmp_path)
    found = swept(tmp_path, "seed=1")
    assert not found.complete
    assert [row["verified"] for row in rows_of(tmp_path)] == [False]


def killed_after(process: subprocess.Popen[str], lines: int) -> list[str]:
    """Kill a sweep with SIGKILL once it has told that points are finished."""
    told = []
    assert process.stderr is not None
    for line in process.stderr:
        told.append(line)
        if sum("/4  " in each for each in told) >= lines:
            break
    process.kill()
    process.wait()
    return told


def test_a_killed_sweep_resumes_to_the_table_of_one_that_was_not(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("killed", "whole")]
    for place in places:
        place.mkdir()
        write_recipe(place, epochs=6)
    words = [word for text in AXES for word in ("--over", text)]
    with start_sweep(places[0], *words, "--workers", "2") as process:
        killed_after(process, 1)
    first = rows_of(places[0])
    assert 1 <= len(first) < 4
    with (places[0] / "out" / "results.jsonl").open("ab") as file:
        file.write(b'{"point": "half a li')
    with start_sweep(places[0], *words, "--workers", "2", "--resume", "--json") as process:
        out, told = process.communicate()
    assert process.returncode == 0, told
    assert json.loads(out)["complete"]
    rows = rows_of(places[0])
    assert rows[: len(first)] == first
    with start_sweep(places[1], *words, "--workers", "1") as process:
        out, told = process.communicate()
    assert process.returncode == 0, told
    assert sorted(map(str, map(timeless, rows))) == sorted(
        map(str, map(timeless, rows_of(places[1])))
    )
    assert len({row["point"] for row in rows}) == len(rows) == 4


def test_a_killed_worker_s_point_is_done_again(tmp_path: Path) -> None:
    write_recipe(tmp_path, epochs=40)
    with start_sweep(tmp_path, "--over", "seed=1..2", "--workers", "1") as process:
        worker = _child(process)
        running = tmp_path / "out" / "running"
        end = time.monotonic() + 60
        while not list(running.glob("*/checkpoint.safetensors")) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(worker, signal.SIGKILL)
        _, told = process.communicate()
    assert process.returncode == 0, told
    assert "seed=1: its worker died; another one does it again" in told
    assert sorted(row["seed"] for row in rows_of(tmp_path)) == [1, 2]


def _child(process: subprocess.Popen[str]) -> int:
    """Wait for the worker of a sweep: its only child that is no helper of multiprocessing."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            words = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in words:
                return int(child)
        time.sleep(0.02)
    raise TimeoutError("the sweep started no worker within 60 s")


@pytest.mark.cluster
def test_a_cluster_gives_the_rows_of_this_machine_though_a_worker_dies(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster' (dask.distributed)")
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    for name in ("here", "there"):
        write_recipe(tmp_path / name, epochs=20)
    with start_sweep(tmp_path / "here", "--over", "seed=1..3", "--workers", "1") as process:
        _, told = process.communicate()
    assert process.returncode == 0, told
    with running_cluster(tmp_path, 2) as cluster:
        words = ("--over", "seed=1..3", "--cluster", cluster.address)
        with start_sweep(tmp_path / "there", *words) as process:
            assert process.stderr is not None
            first = [process.stderr.readline() for _ in range(2)]
            assert "started" in first[1]
            time.sleep(1)
            cluster.workers[0].kill()
            _, told = process.communicate()
        assert process.returncode == 0, told
    rows = [sorted(map(timeless, rows_of(tmp_path / name)), key=str) for name in ("here", "there")]
    assert rows[0] == rows[1]
    assert not (tmp_path / "there" / "out" / "running").exists()


def test_the_answer_on_the_command_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recipe(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = ("sweep", "small.toml", "-o", "out", "--workers", 1, "--verify", 5)
    told = cli(*command, "--over", "seed=1,2")
    assert told.code == 0
    assert "next: edgespike frontier out" in told.stdout
    assert told.stderr.splitlines()[0] == "2 points; 1 at a time"
    assert told.stderr.splitlines()[1] == "seed=1: started"
    assert told.stderr.splitlines()[-1].startswith("2/2  seed=2: accuracy ")
    again = cli(*command, "--over", "seed=1,2", "--resume", "--json")
    assert (again.code, again.stderr) == (0, "")
    assert [row["seed"] for row in again.json["points"]] == [1, 2]
    failed = cli(*command, "--over", "learning_rate=1e38", "--resume")
    assert failed.code == 1
    assert "FAILED: learning_rate=1e+38: the loss became" in failed.stdout
    shown = cli("frontier", "out", "--along", "learning_rate", "--at", "0.01", "--json").json
    (series,) = shown["series"]
    used = sorted(row["synaptic_operations"] for row in again.json["points"])
    cost = series["levels"][0]["synaptic_operations"]
    assert [cost["low"], cost["high"]] == used
    found = series["matched"][0]["synaptic_operations"]
    assert [found["low"], found["high"], found["reached"]] == [*used, 2]
    for words, said in (
        (["--over", "nonesuch=1"], "recipe.nonesuch is not known"),
        (["--over", "seed=1", "--model", "nonesuch"], "'nonesuch' is in none of the profiles"),
        (["--over", "seed=1", "--cluster", "tcp://127.0.0.1:9"], "give one of the two"),
    ):
        refused = cli(*command, "--resume", *words)
        assert (refused.code, refused.stdout) == (2, "")
        assert said in refused.stderr


def test_the_command_line_starts_without_torch() -> None:
    code = (
        "import sys, edgespike.cli.app as a; assert not {'torch', 'numpy', 'multiprocessing', "
        "'distributed', 'matplotlib', 'filelock'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
