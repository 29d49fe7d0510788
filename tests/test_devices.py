"""Every target and core: memory and instructions follow the program, and limits name the layer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgespike
from edgespike.counting import Tally, tally_trace
from edgespike.devices import BOARDS, Limits, devices, kept_limits
from edgespike.energy import load_profile
from edgespike.errors import InputError, UnsupportedError
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.targets.c.amounts import program_work
from edgespike.targets.c.instructions import core_models, footprints, instructions
from edgespike.targets.c.lower import lower
from edgespike.targets.c.source import write_c
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for

GRAPH = residual_graph()
PAGE = (Path(__file__).parents[1] / "docs" / "devices.md").read_text("utf-8")


def tally_of(graph: edgespike.Graph, count: int = 6) -> Tally:
    samples = samples_for(graph, count)
    return tally_trace(graph, samples, interpret(graph, samples))


@pytest.mark.parametrize("graph", [GRAPH, membrane_graph(), recurrent_graph()])
def test_memory_is_the_programs(graph: edgespike.Graph) -> None:
    written = write_c(graph)
    for each in footprints(graph).values():
        assert each.memory == written.memory
        constants = sum(each.constants.values()) + each.other_constants
        assert constants == sum(written.flash.values())
        assert each.flash > constants


def test_rows_added_are_those_of_the_events() -> None:
    graph = shipped_model("fashion_s3nn")
    images = shipped_images("fashion_s3nn")[0][:4]
    tally = edgespike.prepare(graph).tally(images)
    works = {work.node: work for work in program_work(*lower(graph), tally.events, 4)}
    events = tally.events["spikes4"].sum() / 4
    assert works["dense2"].amounts["event listed"] == events
    assert works["dense2"].amounts["8-bit row added"] == events  # 10 outputs are one chunk
    pooled = tally.events["pool3"].sum() / 4
    assert works["dense1"].amounts["8-bit row added"] == pooled * 12


def test_more_events_take_more_instructions() -> None:
    graph = shipped_model("fashion_s3nn")
    tally = edgespike.prepare(graph).tally(shipped_images("fashion_s3nn")[0][:4])
    silent = {name: np.zeros_like(events) for name, events in tally.events.items()}
    for core, busy in instructions(graph, tally.events, 4).items():
        quiet = instructions(graph, silent, 4)[core]
        assert 0 < quiet.typical < busy.typical / 2
        assert busy.low < busy.typical < busy.high
        assert sum(busy.layers.values()) == pytest.approx(busy.typical)


def test_shipped_nets_are_within_the_stated_error() -> None:
    for name in ("fashion_s3nn", "fashion_maqd", "fashion_rnn"):
        assert abs(core_models()["cortex-m4"].left_out[name]) < 0.05


def test_energy_is_the_product_of_all_three_ranges() -> None:
    graph = shipped_model("fashion_rnn")
    images = shipped_images("fashion_rnn")[0][:4]
    report = edgespike.estimate_energy(graph, images, "c", ["cortex-m4"])
    (row,) = report.estimates
    board = load_profile("cortex-m4").board
    assert board is not None
    assert row.instructions is not None
    cycles = board.cycles_per_instruction
    for end, cycle, count in (
        ("low", cycles.low, row.instructions.low),
        ("typical", cycles.value, row.instructions.typical),
        ("high", cycles.high, row.instructions.high),
    ):
        joules = count * cycle * getattr(board.cycle.energy, end)
        assert getattr(row.energy, end) == pytest.approx(joules, rel=0.01)
    assert row.left_out == {}
    assert report.headline is row
    assert row.seconds is not None
    assert row.seconds.typical == pytest.approx(row.instructions.typical * cycles.value / 120e6)


def test_unknown_instructions_are_an_error_and_not_0_joules() -> None:
    counts = edgespike.count(GRAPH, samples_for(GRAPH, 2))
    with pytest.raises(UnsupportedError, match="instructions of core 'cortex-m4' are not known"):
        edgespike.energy.energy_report(GRAPH, counts, ["cortex-m4"])


def test_every_core_has_a_row_and_limits_name_the_layer() -> None:
    found = devices(GRAPH, tally_of(GRAPH), Limits(flash=400, ram=10**9))
    cores = [device for device in found if device.target == "c"]
    assert [device.device for device in cores] == list(core_models())
    for device in cores:
        assert device.exact
        assert device.fits is False
        (line,) = device.too_large
        assert re.fullmatch(r"flash: [\d,]+ bytes are [\d,]+ more than 400; \w+ takes .*", line)
    assert not kept_limits(found, Limits(flash=400, ram=10**9))


def test_limits_of_a_board_are_those_of_its_core() -> None:
    board = replace(BOARDS["nucleo-l4r5zi"], flash=400)
    found = devices(GRAPH, tally_of(GRAPH), board)
    over = [device.device for device in found if device.target == "c" and device.too_large]
    assert over == ["cortex-m4"]


def test_measured_instructions_take_the_models_place() -> None:
    found = devices(GRAPH, tally_of(GRAPH), measured={"cortex-m7": 1000.0})
    (row,) = [device for device in found if device.device == "cortex-m7"]
    assert row.instructions is not None
    assert (row.instructions.low, row.instructions.high) == (1000, 1000)
    assert row.instructions.measured
    with pytest.raises(InputError, match="which is no core"):
        devices(GRAPH, tally_of(GRAPH), measured={"z80": 1.0})


def test_the_pages_table_is_the_models() -> None:
    for core, model in core_models().items():
        median = float(np.median(np.abs(list(model.left_out.values()))))
        assert f"| {core} | {median:.1%} | {model.error:.1%} |" in PAGE
    for name in ("cortex-m4", "cortex-m33", "cortex-m7"):
        board = load_profile(name).board
        assert board is not None
        one, many = board.cycle, board.cycles_per_instruction
        assert f"| {one.value} pJ ({one.low} to {one.high}) |" in PAGE
        assert f"| {many.value} ({many.low} to {many.high}) |" in PAGE


def test_the_pages_profile_loads(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "mine.toml").write_text(text)
    profile = load_profile(tmp_path / "mine.toml")
    assert profile.constants["instruction"].value == pytest.approx(168)
    (tmp_path / "bad.toml").write_text(text.replace("clock_mhz = 64", "clock_mhz = 0"))
    with pytest.raises(edgespike.energy.ProfileError, match="clock_mhz is 0"):
        load_profile(tmp_path / "bad.toml")
