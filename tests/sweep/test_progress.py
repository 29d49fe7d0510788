"""What a sweep tells while it runs, on a terminal and elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from edgespike.pools.base import LOST, STARTED, Failure
from edgespike.sweep import progress
from edgespike.sweep.grid import Point
from edgespike.sweep.progress import Bars, Lines, watcher

ROW = {
    "accuracy": 0.875,
    "synaptic_operations": 1234.5,
    "energy_j": 5.2e-8,
    "seconds": 9.4,
    "verified": True,
}
RECIPE: Any = SimpleNamespace(epochs=3)
POINTS = [Point(f"id{seed}", RECIPE, {"lambda": 1e-9, "seed": seed}) for seed in (1, 2, 3)]
TOLD = [
    "4 points, 1 of them finished before; 2 at a time",
    "lambda=1e-09 seed=1: its worker died; another one does it again",
    "2/4  lambda=1e-09 seed=1: accuracy 87.50%  1,234 synaptic operations  52.0 nJ  9 s",
    "lambda=1e-09 seed=2: failed: the loss became nan",
    "3/4  lambda=1e-09 seed=3: accuracy 87.50%  1,234 synaptic operations  9 s  "
    "NOT EQUAL to the definition",
]


def run(watching: Lines) -> None:
    measured = {"epoch": 2, "test_accuracy": 0.5}
    with watching:
        watching.begin([*POINTS, POINTS[0]], 1, 2)
        for note in (STARTED, LOST, STARTED, measured):
            watching.hear(POINTS[0], note)
        watching.end(POINTS[0], ROW, None)
        watching.hear(POINTS[1], STARTED)
        watching.end(POINTS[1], None, Failure("TrainingError", "the loss became nan"))
        watching.hear(POINTS[2], STARTED)
        watching.end(POINTS[2], {**ROW, "energy_j": None, "verified": False}, None)


def test_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(Lines())
    out, told = capsys.readouterr()
    assert out == ""
    lines = told.splitlines()
    assert [line for line in lines if not line.endswith(": started")] == TOLD
    assert lines.count("lambda=1e-09 seed=1: started") == 2


def test_epochs_are_told_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    run(Lines())
    assert "lambda=1e-09 seed=1: epoch 2/3  test accuracy 50.00%" in capsys.readouterr().err


def test_bars_keep_the_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    run(Bars())
    out, told = capsys.readouterr()
    assert out == ""
    assert [line for line in told.splitlines() if line in TOLD] == TOLD


def test_nothing_is_told_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    run(watcher(quiet=True))
    assert capsys.readouterr() == ("", "")


def test_bars_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(watcher(False)) is Lines
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert type(watcher(False)) is Bars
    assert type(watcher(True)) is Lines
